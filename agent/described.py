"""The jobs that the user describes: what the `[[jobs.job]]` tables say of a job that was found."""

import pwd
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from agent.config.load import Loaded
from agent.config.settings import JobTable
from agent.core.clock import SECOND
from agent.core.job import Job
from agent.core.stall import StallLimits
from agent.sources.processes.settings import Described


def complete(job: Job, loaded: Loaded) -> Job:
    """Complete a new job from the user's table about it, and with who runs it, where that may be told."""
    table = _about(job, loaded)
    if loaded.settings.agent.include_user and job.uid is not None:
        job = replace(job, user=_user(job.uid))
    return job if table is None else replace(job, name=table.name, model=table.model or job.model, link=table.link)


def stall_limits(job: Job, loaded: Loaded) -> StallLimits:
    """How long a job may be silent: what the user's table about it says, else what holds for all."""
    jobs, table = loaded.settings.jobs, _about(job, loaded)
    own = table.stall_after if table is not None else None
    stall_after = jobs.stall_after if own is None else own
    return StallLimits(round(stall_after * SECOND), round(jobs.warmup * SECOND))


def globs(loaded: Loaded) -> Sequence[str]:
    """The logs of described jobs, as patterns."""
    return [table.log for table in loaded.settings.jobs.job if table.log is not None]


def processes(loaded: Loaded) -> tuple[Described, ...]:
    """The jobs that are described by their processes."""
    return tuple(
        Described(table.name, None if table.pid_file is None else str(table.pid_file), table.command)
        for table in loaded.settings.jobs.job
        if _by_process(table)
    )


def _about(job: Job, loaded: Loaded) -> JobTable | None:
    """The first table about a job: its pattern matches the job's log, or it named the job's leading process."""
    return next((table for table in loaded.settings.jobs.job if _is_about(table, job)), None)


def _is_about(table: JobTable, job: Job) -> bool:
    if table.log is not None and job.log is not None and fnmatchcase(job.log, table.log):
        return True
    return job.process is not None and _by_process(table) and job.name == table.name


def _user(uid: int) -> str:
    """The name of a user, or the number where the system knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _by_process(table: JobTable) -> bool:
    return table.pid_file is not None or table.command is not None
