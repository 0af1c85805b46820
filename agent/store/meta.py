"""Small named facts as JSON: the evaluator's cursor, the state of each rule, whether the last stop was clean."""

import sqlite3
from collections.abc import Mapping

from agent.core.model import Json
from agent.store.rows import dump, parse

_LAST = "\U0010ffff"
"""Sorts after every other character."""


def get(conn: sqlite3.Connection, key: str) -> Json:
    """Look up one fact; None if there is none."""
    row = conn.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else parse(row[0], f"meta {key}")


def put(conn: sqlite3.Connection, key: str, value: Json) -> None:
    """Store one fact under `key`, in place of what was there."""
    put_all(conn, {key: value})


def put_all(conn: sqlite3.Connection, values: Mapping[str, Json]) -> None:
    """Store several facts at once."""
    conn.executemany(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [(key, dump(value)) for key, value in values.items()],
    )


def delete(conn: sqlite3.Connection, key: str) -> bool:
    """Forget one fact; False if there was none."""
    return conn.execute("DELETE FROM meta WHERE key = ?", (key,)).rowcount > 0


def with_prefix(conn: sqlite3.Connection, prefix: str) -> dict[str, Json]:
    """All facts whose key begins with `prefix`, in the order of their keys."""
    found = conn.execute(
        "SELECT key, value FROM meta WHERE key >= ? AND key < ? ORDER BY key", (prefix, prefix + _LAST)
    )
    return {key: parse(value, f"meta {key}") for key, value in found}
