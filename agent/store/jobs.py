"""Runs as the agent knows them, the natural keys that lead to them, and one thinned curve each."""

import json
import sqlite3
from collections.abc import Sequence

from agent.core.curve import Point
from agent.core.job import Job
from agent.store.rows import dump, load, parse, printable


def save(conn: sqlite3.Connection, job: Job) -> None:
    """Store a job, or its new state, and make each of its keys lead to it."""
    conn.execute(
        "INSERT INTO job (id, attempt, state, started_at, ended_at, body) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt, state = excluded.state, "
        "started_at = excluded.started_at, ended_at = excluded.ended_at, body = excluded.body",
        (job.id, job.attempt, job.state, job.started_at, job.ended_at, dump(job)),
    )
    conn.executemany(
        "INSERT INTO job_key (key, job_id) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET job_id = excluded.job_id WHERE job_id <> excluded.job_id",
        [(printable(key), job.id) for key in job.keys],
    )


def get(conn: sqlite3.Connection, job_id: str) -> Job | None:
    """Look up one job by its id."""
    return _first(_select(conn, "WHERE id = ?", job_id))


def by_key(conn: sqlite3.Connection, key: str) -> Job | None:
    """The job that evidence under this natural key belongs to."""
    return _first(_select(conn, "WHERE id = (SELECT job_id FROM job_key WHERE key = ?)", printable(key)))


def running(conn: sqlite3.Connection) -> list[Job]:
    """The jobs whose end is still to come, the oldest first."""
    return _select(conn, "WHERE ended_at IS NULL ORDER BY started_at, rowid")


def counts(conn: sqlite3.Connection) -> dict[str, int]:
    """How many jobs are in each state; states without any are left out."""
    return dict(conn.execute("SELECT state, count(*) FROM job GROUP BY state"))


def ended(conn: sqlite3.Connection, since: int) -> list[Job]:
    """The jobs that ended at or after `since` (UTC milliseconds), in the order of their ends."""
    return _select(conn, "WHERE ended_at >= ? ORDER BY ended_at, rowid", since)


def save_curve(conn: sqlite3.Connection, job_id: str, points: Sequence[Point]) -> None:
    """Store a job's curve in place of the former one; the job must be stored already."""
    conn.execute(
        "INSERT INTO job_curve (job_id, points) VALUES (?, ?) "
        "ON CONFLICT (job_id) DO UPDATE SET points = excluded.points",
        (job_id, json.dumps([list(point) for point in points], separators=(",", ":"))),
    )


def curve(conn: sqlite3.Connection, job_id: str) -> list[Point]:
    """A job's curve, oldest point first; empty if none was kept."""
    row = conn.execute("SELECT points FROM job_curve WHERE job_id = ?", (job_id,)).fetchone()
    if row is None:
        return []
    return [Point(*point) for point in parse(row[0], f"curve of {job_id}")]


def _first(found: list[Job]) -> Job | None:
    return found[0] if found else None


def _select(conn: sqlite3.Connection, where: str, *values: str | int | None) -> list[Job]:
    """`where` is one of the constants above."""
    found = conn.execute(f"SELECT id, body FROM job {where}", values)  # noqa: S608 - no outside text in it
    return [load(Job, body, f"job {job_id}") for job_id, body in found]
