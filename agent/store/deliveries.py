"""Rows of the outbox as values, and the questions that evaluator, `explain` and `history` ask about them."""

import sqlite3
from collections.abc import Iterable
from dataclasses import fields

from agent.core.model import Attempt, Delivery
from agent.store.errors import Undecodable
from agent.store.rows import build, dump, parse

_NAMES = tuple(field.name for field in fields(Delivery))
_COLUMNS = ", ".join(_NAMES)


def get(conn: sqlite3.Connection, delivery_id: str) -> Delivery | None:
    """Look up one delivery. Raises Undecodable."""
    row = conn.execute(f"SELECT {_COLUMNS} FROM delivery WHERE id = ?", (delivery_id,)).fetchone()  # noqa: S608 - constants only
    return None if row is None else _delivery(row)


def of_alerts(conn: sqlite3.Connection, alert_ids: Iterable[str]) -> list[Delivery]:
    """All deliveries of these alerts, on every channel and in every state, in the order of their insertion."""
    return select(conn, "WHERE alert_id IN (SELECT value FROM json_each(?)) ORDER BY seq", dump(list(alert_ids)))


def open_for(conn: sqlite3.Connection, fingerprints: Iterable[str]) -> list[Delivery]:
    """The deliveries under these fingerprints that may still be sent, in the order of their insertion."""
    return select(
        conn,
        "WHERE fingerprint IN (SELECT value FROM json_each(?)) AND state IN ('queued', 'sending', 'deferred') "
        "ORDER BY seq",
        dump(list(fingerprints)),
    )


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
