"""What sources are asked to look at for the running jobs. Values in, values out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from agent.core import processes
from agent.core.job import Job
from agent.core.ports import TreeReading, WantedLog

ProcessKey = tuple[str, int, int]
"""A process by boot id, pid and start ticks."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the evaluator wants sources to look at."""

    logs: frozenset[WantedLog] = frozenset()
    """Paths to follow besides those that the settings name."""
    urgent_logs: frozenset[str] = frozenset()
    """Paths to read to their end now, because a verdict waits for them."""
    processes: frozenset[ProcessKey] = frozenset()
    """Processes whose end is wanted."""
    leaders: frozenset[ProcessKey] = frozenset()
    """Those of them that lead running jobs."""
    suspects: frozenset[int] = frozenset()
    """Pids of jobs that make no step: are they stuck in the kernel?"""


def wishes_for(
    running: Iterable[Job], own_namespace: int | None, suspects: frozenset[int] = frozenset()
) -> Wishes:
    """Gather them. The end of a process that cannot be seen, in another PID namespace, is only reported."""
    jobs = tuple(running)
    visible = [job for job in jobs if job.process and job.process.pid_namespace in (None, own_namespace)]
    return Wishes(
        logs=frozenset(log for job in jobs if job.process is not None for log in _logs(job)),
        urgent_logs=frozenset(log.path for job in jobs if job.exit is not None for log in _logs(job)),
        processes=frozenset((_boot(job), *pid) for job in visible for pid in processes.awaited(job)),
        leaders=frozenset(
            (job.process.boot_id, job.process.pid, job.process.start_ticks)
            for job in visible
            if job.process is not None and job.exit is None
        ),
        suspects=suspects,
    )


def with_held(wished: Collection[WantedLog], trees: Iterable[TreeReading]) -> frozenset[WantedLog]:
    """The logs to follow: those of jobs, and those that processes hold open, each with who writes it.

    A log that a user named by `exec` begins where he said.
    """
    held = {
        log.path: WantedLog(log.path, log.begin, log.uid, tree.seen, found=True)
        for tree in trees
        for log in tree.logs
        if log.path is not None and log.trouble is None
    }
    named = {log.path: log for log in wished}
    both = {
        path: held[path] if log.found else replace(log, writer=held[path].writer)
        for path, log in named.items()
        if path in held
    }
    return frozenset({**named, **held, **both}.values())


def _logs(job: Job) -> Iterable[WantedLog]:
    named = job.process is not None and job.process.wrapper_pid is not None
    if job.log is not None:
        yield WantedLog(job.log, job.log_offset, job.uid, found=not named)
    yield from (WantedLog(path, None, job.uid, found=True) for path in job.logs)


def _boot(job: Job) -> str:
    return job.process.boot_id if job.process is not None else ""
