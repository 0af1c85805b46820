"""Acknowledgements and maintenance; they end by themselves and stay listed until retention takes them."""

import sqlite3

from agent.core.model import Silence
from agent.store.rows import dump, parse, printable


def add(conn: sqlite3.Connection, silence: Silence) -> None:
    """Store a new silence."""
    conn.execute(
        "INSERT INTO silence (id, starts_at, ends_at, author, comment, alert_id, match) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            silence.id, silence.starts_at, silence.ends_at, printable(silence.author), printable(silence.comment),
            silence.alert_id, dump(silence.match),
        ),
    )


def load(conn: sqlite3.Connection) -> list[Silence]:
    """All silences, also those that are over or still to come, by their start."""
    found = conn.execute(
        "SELECT id, starts_at, ends_at, author, comment, alert_id, match FROM silence ORDER BY starts_at, id"
    )
    return [
        Silence(silence_id, starts_at, ends_at, author, comment, alert_id, parse(match, f"silence {silence_id}"))
        for silence_id, starts_at, ends_at, author, comment, alert_id, match in found
    ]


def end(conn: sqlite3.Connection, silence_id: str, now: int) -> bool:
    """End a silence at `now`; False if there is none of that id or it is over already."""
    written = conn.execute(
        "UPDATE silence SET ends_at = ? WHERE id = ? AND ends_at > ?", (now, silence_id, now)
    )
    return written.rowcount > 0
