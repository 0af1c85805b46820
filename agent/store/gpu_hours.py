"""What the GPUs did in each hour, and for which job: written by the evaluator, read by the reports."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from agent.core.gpu_usage import WHOLE, Usage, UsageKey


def save(conn: sqlite3.Connection, rows: Mapping[UsageKey, Usage]) -> None:
    """Store rows in place of what they were before."""
    conn.executemany(
        "INSERT OR REPLACE INTO gpu_hour (hour, gpu, job_id, seen, held, measured, busy, idle, energy, memory_peak) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*key, *_values(usage)) for key, usage in rows.items()],
    )


def of_hour(conn: sqlite3.Connection, hour: int) -> dict[UsageKey, Usage]:
    """All rows of the hour that begins at `hour` (UTC milliseconds)."""
    found = conn.execute(
        "SELECT hour, gpu, job_id, seen, held, measured, busy, idle, energy, memory_peak FROM gpu_hour WHERE hour = ?",
        (hour,),
    )
    return {UsageKey(*row[:3]): Usage(*row[3:]) for row in found}


def by_job(conn: sqlite3.Connection, since: int, until: int) -> dict[str, Usage]:
    """What each job did with its GPUs, over the hours that begin in the period (UTC milliseconds, `until` excluded)."""
    return _sums(conn, "job_id", "job_id <> ?", since, until)


def by_gpu(conn: sqlite3.Connection, since: int, until: int) -> dict[str, Usage]:
    """What each GPU of the node did over the same hours, by UUID; their sum is the node's."""
    return _sums(conn, "gpu", "job_id = ?", since, until)


def by_hour(conn: sqlite3.Connection, since: int, until: int) -> dict[int, Usage]:
    """What all GPUs of the node did together, by the beginning of the hour."""
    return _sums(conn, "hour", "job_id = ?", since, until)


def _sums(conn: sqlite3.Connection, column: str, which: str, since: int, until: int) -> dict[Any, Usage]:
    """Add up by a column what is of the GPUs themselves, or of jobs; `which` is a constant with a place for `WHOLE`."""
    found = conn.execute(
        f"SELECT {column}, sum(seen), sum(held), sum(measured), sum(busy), sum(idle), sum(energy), max(memory_peak) "  # noqa: S608 - constants only
        f"FROM gpu_hour WHERE hour >= ? AND hour < ? AND {which} GROUP BY {column}",
        (since, until, WHOLE),
    )
    return {key: Usage(*sums) for key, *sums in found}


def _values(usage: Usage) -> tuple[float | None, ...]:
    return usage.seen, usage.held, usage.measured, usage.busy, usage.idle, usage.energy, usage.memory_peak
