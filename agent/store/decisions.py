"""Why each notification was, or was not, passed on: what `explain` reads."""

import sqlite3
from collections.abc import Iterable

from agent.core.model import Decision
from agent.store.rows import build, printable

_NAMES = ("alert_id", "at", "channel", "kind", "stage", "verdict", "reason", "until")


def record(conn: sqlite3.Connection, decisions: Iterable[Decision]) -> None:
    """Store decisions in the order given; their alerts must be stored first."""
    conn.executemany(
        "INSERT INTO decision (alert_id, at, channel, kind, stage, verdict, reason, until) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                item.alert_id, item.at, item.channel, item.kind, item.stage, item.verdict, printable(item.reason),
                item.until,
            )
            for item in decisions
        ],
    )


def of_alert(conn: sqlite3.Connection, alert_id: str) -> list[Decision]:
    """All decisions about one alert, in the order they were made."""
    return _select(conn, "WHERE alert_id = ? ORDER BY seq", alert_id)


def between(conn: sqlite3.Connection, since: int, until: int) -> list[Decision]:
    """All decisions made from `since` to before `until` (UTC milliseconds), in the order of time."""
    return _select(conn, "WHERE at >= ? AND at < ? ORDER BY at, seq", since, until)


def _select(conn: sqlite3.Connection, where: str, *values: str | int) -> list[Decision]:
    """`where` is one of the constants above."""
    found = conn.execute(f"SELECT {', '.join(_NAMES)} FROM decision {where}", values)  # noqa: S608 - constants only
    return [build(Decision, dict(zip(_NAMES, row, strict=True)), f"decision about {row[0]}") for row in found]
