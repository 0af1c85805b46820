"""What sources reported, in the order of arrival, and where each source stands; kept in one transaction."""

import sqlite3
from collections.abc import Iterable

from agent.core.facts import FACTS, Event, Fact
from agent.core.model import Json
from agent.core.ports import Checkpoint
from agent.store import meta
from agent.store.errors import Undecodable
from agent.store.rows import dump, load, parse

_CURSOR = "evaluator.cursor"


def append(conn: sqlite3.Connection, events: Iterable[Event]) -> int:
    """Store the events that are not there yet, told apart by their ids; returns how many were new."""
    written = conn.executemany(
        "INSERT INTO event (id, source, at, kind, fact) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        [(event.id, event.source, event.at, type(event.fact).__name__, dump(event.fact)) for event in events],
    )
    return max(written.rowcount, 0)


def after(conn: sqlite3.Connection, seq: int, limit: int) -> list[tuple[int, Event | None]]:
    """The next events behind `seq`, each with its own; None stands for a row that this version cannot read."""
    found = conn.execute(
        "SELECT seq, id, source, at, kind, fact FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
    )
    return [(number, _event(*columns)) for number, *columns in found]


def since(conn: sqlite3.Connection, fact: type[Fact], at: int) -> list[Event]:
    """The events of one kind of fact that were noticed at or after a time, UTC milliseconds, in order of arrival."""
    found = conn.execute(
        "SELECT id, source, at, kind, fact FROM event WHERE at >= ? AND kind = ? ORDER BY seq", (at, fact.__name__)
    )
    return [event for columns in found if (event := _event(*columns)) is not None]


def cursor(conn: sqlite3.Connection) -> int:
    """The number of the last event that the evaluator has dealt with; 0 at the beginning."""
    return int(meta.get(conn, _CURSOR) or 0)


def advance(conn: sqlite3.Connection, seq: int) -> None:
    """Move the evaluator's cursor to `seq`, in the transaction that holds what came of the events up to there."""
    meta.put(conn, _CURSOR, seq)


def save_checkpoint(conn: sqlite3.Connection, source: str, checkpoint: Checkpoint) -> None:
    """Apply the changed keys of a source's checkpoint; None removes a key.

    Keys are often paths, which need not be Unicode; so they are stored as JSON, like the values.
    """
    conn.executemany(
        "INSERT INTO checkpoint (source, key, value) VALUES (?, ?, ?) "
        "ON CONFLICT (source, key) DO UPDATE SET value = excluded.value",
        [(source, dump(key), dump(value)) for key, value in checkpoint.items() if value is not None],
    )
    conn.executemany(
        "DELETE FROM checkpoint WHERE source = ? AND key = ?",
        [(source, dump(key)) for key, value in checkpoint.items() if value is None],
    )


def load_checkpoint(conn: sqlite3.Connection, source: str) -> dict[str, Json]:
    """Everything a source has to know to continue; empty at its first start."""
    row = f"checkpoint of {source}"
    found = conn.execute("SELECT key, value FROM checkpoint WHERE source = ?", (source,))
    return {parse(key, row): parse(value, row) for key, value in found}


def _event(event_id: str, source: str, at: int, kind: str, fact: str) -> Event | None:
    if kind not in FACTS:
        return None
    try:
        return Event(event_id, source, at, load(FACTS[kind], fact, f"event {event_id}"))
    except Undecodable:
        return None
