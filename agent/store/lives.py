"""When an agent was alive: one row for each life, from its start to its last sign, so that gaps can be told of."""

import sqlite3


def note(conn: sqlite3.Connection, began: int, now: int) -> None:
    """Note that the agent which began at `began` is alive at `now`; both UTC milliseconds."""
    conn.execute(
        "INSERT INTO alive (began, seen) VALUES (?, ?) ON CONFLICT (began) DO UPDATE SET seen = excluded.seen",
        (began, max(began, now)),
    )


def between(conn: sqlite3.Connection, since: int, until: int) -> list[tuple[int, int]]:
    """The lives of the period and the last one before it, in order: beginning and last sign, not cut to the period."""
    found = conn.execute(
        "SELECT began, seen FROM alive WHERE began < ? AND seen >= ? UNION ALL SELECT * FROM "
        "(SELECT began, seen FROM alive WHERE seen < ? ORDER BY began DESC LIMIT 1) ORDER BY began",
        (until, since, since),
    )
    return [(began, seen) for began, seen in found]


def first(conn: sqlite3.Connection) -> int | None:
    """When the first agent began that is remembered; None if none is."""
    (began,) = conn.execute("SELECT min(began) FROM alive").fetchone()
    return None if began is None else int(began)
