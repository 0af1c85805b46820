"""Runs as the agent knows them, and one thinned curve each."""

import json
import sqlite3
from collections.abc import Sequence

from agent.core.curve import Point
from agent.core.job import Job
from agent.store.rows import dump, load, parse


def save(conn: sqlite3.Connection, job: Job) -> None:
    """Store a job, or its new state."""
    conn.execute(
        "INSERT INTO job (id, attempt, state, started_at, ended_at, body) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt, state = excluded.state, "
        "started_at = excluded.started_at, ended_at = excluded.ended_at, body = excluded.body",
        (job.id, job.attempt, job.state, job.started_at, job.ended_at, dump(job)),
    )


def get(conn: sqlite3.Connection, job_id: str) -> Job | None:
    """Look up one job by its id."""
    found = _select(conn, "WHERE id = ?", job_id)
    return found[0] if found else None


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


def _select(conn: sqlite3.Connection, where: str, *values: str | int) -> list[Job]:
    """`where` is one of the constants above."""
    found = conn.execute(f"SELECT id, body FROM job {where}", values)  # noqa: S608 - no outside text in it
    return [load(Job, body, f"job {job_id}") for job_id, body in found]
