"""What the logs of a job show together: it goes by one, and may write others, such as those of single ranks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.core.facts import Progress
from agent.core.job import Job
from agent.core.ports import LogReading

_NUMBERS = ("epoch", "loss", "throughput", "framework")


@dataclass(frozen=True, slots=True)
class LogState:
    """What is known of a job's log this round: its latest reading, and whether it was read to the end since `at`."""

    reading: LogReading
    read_to_end_at: int | None
    """When a look last found the end, UTC milliseconds."""


def states_of(job: Job, logs: Mapping[str, LogState]) -> list[LogState]:
    """What is known of a job's logs this round, the one that it goes by first."""
    paths = (path for path in (job.log, *job.logs) if path is not None)
    found = [logs[path] for path in paths if path in logs]
    if job.file is not None and all(state.reading.file != job.file for state in found):
        found = [*(state for state in logs.values() if state.reading.file == job.file), *found]
    return found


def renamed(job: Job, states: Sequence[LogState]) -> Job:
    """Follow a log that goes by another path since its writer was found."""
    first = states[0].reading if states else None
    if first is None or first.file != job.file or first.path == job.log:
        return job
    return replace(job, log=first.path, logs=tuple(path for path in job.logs if path != first.path))


def telling(job: Job, states: Sequence[LogState]) -> LogReading | None:
    """The reading that shows a job's progress: its own log's, or the newest of another; numbers that it lacks added."""
    shown = [state.reading for state in states if state.reading.progress is not None]
    if not shown:
        return states[0].reading if states else None
    own = [item for item in shown if item.path == job.log and item.progress and item.progress.step is not None]
    best = own[0] if own else max(shown, key=lambda item: (_has_step(item), item.progress_at or 0))
    progress = best.progress
    for other in shown:
        progress = _filled(progress, other.progress) if progress and other.progress else progress
    return best if progress == best.progress else replace(best, progress=progress)


def _filled(progress: Progress, other: Progress) -> Progress:
    """Take from another log what one does not show: steps may stand in the one, losses in the other."""
    missing = {name: getattr(other, name) for name in _NUMBERS if getattr(progress, name) is None}
    return replace(progress, **missing)


def _has_step(reading: LogReading) -> bool:
    return reading.progress is not None and reading.progress.step is not None


def read_since_exit(job: Job, states: Sequence[LogState]) -> bool:
    """Whether all of its logs that can be read were read to their ends since the process ended."""
    if job.exit is None or not states:
        return False
    return all(state.read_to_end_at is not None and state.read_to_end_at >= job.exit.at for state in states)
