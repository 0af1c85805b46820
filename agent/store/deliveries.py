"""Rows of the outbox as values, and the questions that evaluator, `explain` and `history` ask about them."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from agent.core.model import Alert, Attempt, Delivery, DeliveryState, NotificationKind, Severity
from agent.store.errors import Undecodable
from agent.store.rows import build, dump, parse

_NAMES = tuple(field.name for field in fields(Delivery))
_COLUMNS = ", ".join(_NAMES)
_OTHERS = tuple(name for name in _NAMES if name != "snapshot")


def get(conn: sqlite3.Connection, delivery_id: str) -> Delivery | None:
    """Look up one delivery. Raises Undecodable."""
    row = conn.execute(f"SELECT {_COLUMNS} FROM delivery WHERE id = ?", (delivery_id,)).fetchone()  # noqa: S608 - constants only
    return None if row is None else _delivery(row)


def of_alerts(conn: sqlite3.Connection, alert_ids: Iterable[str]) -> list[Delivery]:
    """All deliveries of these alerts, on every channel and in every state, in the order of their insertion."""
    return select(conn, "WHERE alert_id IN (SELECT value FROM json_each(?)) ORDER BY seq", dump(list(alert_ids)))


def of_live(conn: sqlite3.Connection, live: Mapping[str, Alert]) -> list[Delivery]:
    """The latest delivery of each of these alerts on each channel, but for digests, in the order of insertion.

    The alerts, by id, stand in for the stored snapshots. Every round of policy asks this, and an alert that lasts has
    many reminders: to read them all would take longer than all the rest of it.
    """
    found = conn.execute(
        f"SELECT {', '.join(_OTHERS)} FROM delivery WHERE seq IN "  # noqa: S608 - constants only
        "(SELECT max(seq) FROM delivery WHERE alert_id IN (SELECT value FROM json_each(?)) AND kind <> 'digest' "
        "GROUP BY alert_id, channel) ORDER BY seq",
        (dump(list(live)),),
    )
    return [_of_live(dict(zip(_OTHERS, row, strict=True)), live) for row in found]


def count(conn: sqlite3.Connection, alert_id: str, channel: str, kind: NotificationKind) -> int:
    """How many deliveries of this kind there have been of an alert on a channel."""
    where = "WHERE alert_id = ? AND channel = ? AND kind = ?"
    (found,) = conn.execute(f"SELECT count(*) FROM delivery {where}", (alert_id, channel, kind)).fetchone()  # noqa: S608 - a constant
    return int(found)


def _of_live(columns: dict[str, Any], live: Mapping[str, Alert]) -> Delivery:
    columns["kind"], columns["state"] = NotificationKind(columns["kind"]), DeliveryState(columns["state"])
    columns["severity"] = Severity(columns["severity"])
    columns["uncertain"], columns["plain"] = bool(columns["uncertain"]), bool(columns["plain"])
    return Delivery(**columns, snapshot=live[columns["alert_id"]])


def queued(conn: sqlite3.Connection, channel: str) -> list[Delivery]:
    """What waits for one channel's next turns, in the order of insertion."""
    return select(conn, "WHERE channel = ? AND state = 'queued' ORDER BY seq", channel)


def attempts(conn: sqlite3.Connection, delivery_id: str) -> list[Attempt]:
    """Every try of one delivery, the first one first."""
    found = conn.execute(
        "SELECT delivery_id, n, started_at, ended_at, outcome, status, error FROM attempt "
        "WHERE delivery_id = ? ORDER BY n",
        (delivery_id,),
    )
    return [Attempt(*row) for row in found]


def select(conn: sqlite3.Connection, where: str, *values: str | int) -> list[Delivery]:
    """The deliveries that `where`, a constant of this package, picks; unreadable rows end as dead in `claim`."""
    found = conn.execute(f"SELECT {_COLUMNS} FROM delivery {where}", values)  # noqa: S608 - no outside text in it
    return [delivery for row in found if (delivery := _readable(row)) is not None]


def _readable(row: tuple[object, ...]) -> Delivery | None:
    try:
        return _delivery(row)
    except Undecodable:
        return None


def _delivery(row: tuple[object, ...]) -> Delivery:
    columns = dict(zip(_NAMES, row, strict=True))
    name = f"delivery {columns['id']}"
    columns["snapshot"] = parse(str(columns["snapshot"]), name)
    columns["uncertain"], columns["plain"] = bool(columns["uncertain"]), bool(columns["plain"])
    return build(Delivery, columns, name)
