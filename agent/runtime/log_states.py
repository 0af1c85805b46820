"""How the logs of running jobs stand, and until when each has been read to its end."""

from collections.abc import Collection, Mapping

from agent.core.clock import SECOND, Instant
from agent.core.job import Job
from agent.core.job_logs import LogState
from agent.runtime.board import LogSeen


def log_states(running: Collection[Job], logs: Mapping[str, LogSeen], now: Instant) -> dict[str, LogState]:
    """The logs of running jobs by path, also where one goes by another path by now."""
    paths = {path for job in running for path in (job.log, *job.logs)}
    files = {job.file for job in running if job.file is not None}
    return {
        path: _log_state(seen, now) for path, seen in logs.items() if path in paths or seen.reading.file in files
    }


def _log_state(seen: LogSeen, now: Instant) -> LogState:
    if seen.drained_at is None:
        return LogState(seen.reading, None)
    return LogState(seen.reading, now.wall - int((now.monotonic - seen.drained_at) * SECOND))
