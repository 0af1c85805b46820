"""What is seen of a job's processes, folded into the job: its leader, its ranks, their ends. Pure.

A job has one leading process, whose end is the job's. Only where ranks stand side by side, with nothing above them that
is known, one of them leads, and the last of them to end is the end of the job.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent.core.facts import ProcessEnded, ProcessStarted
from agent.core.job import Exit, Job, Process, Rank, mint
from agent.core.jobs import inner_key, process_key
from agent.core.sightings import RankSeen, TreeSeen

LOGS_AT_MOST = 64
"""Logs of one job that are read."""
RANKS_AT_MOST = 256
"""Ranks of one job on one node whose ends are awaited."""
STOPPED_BY_LAUNCHER = frozenset({"SIGTERM", "SIGABRT"})
"""How ranks mostly end when another one has failed."""

Pid = tuple[int, int]
"""A process of this boot by pid and start ticks."""


def keys_of(seen: TreeSeen) -> tuple[str, ...]:
    """The natural keys of a run: its leader as the agent sees it, and as it is known in its own namespace."""
    outer = process_key(seen.boot_id, seen.pid, seen.start_ticks)
    if seen.inner is None:
        return (outer,)
    namespace, pid = seen.inner
    return outer, inner_key(seen.boot_id, namespace, pid, seen.start_ticks)


def begin(seen: TreeSeen) -> Job:
    """Begin a job at the sight of its processes."""
    keys = keys_of(seen)
    job = Job(
        id=mint(keys[0]), keys=keys, name=seen.name, started_at=seen.started_at, log_offset=seen.log_offset,
        uid=seen.uid,
    )
    return join(job, seen)


def join(job: Job, seen: TreeSeen) -> Job:
    """Take in what is seen of a job's processes; its id and what the user calls it stay."""
    known = job.process
    named = job.name if known is not None and not seen.declared else seen.name
    log, others = _logs(job, seen)
    return replace(
        job,
        keys=tuple(dict.fromkeys((*job.keys, *keys_of(seen)))),
        name=named,
        started_at=min(job.started_at, seen.started_at),
        process=_process(job, seen),
        log=log,
        logs=others,
        ranks=_ranks(job, seen),
        uid=job.uid if job.uid is not None else seen.uid,
        model=job.model or seen.model,
        framework=job.framework or seen.framework,
        gpus=seen.gpus or job.gpus,
        command=seen.command or job.command,
    )


def restarted(job: Job, seen: TreeSeen) -> bool:
    """Whether the launcher has started all its ranks again."""
    before, now = {_pid(rank) for rank in job.ranks}, {_pid(rank) for rank in seen.ranks}
    return bool(before and now) and not before & now


def lead(job: Job, started: ProcessStarted, key: str) -> Job:
    """Let `exec` lead a job that was seen below it before it said so."""
    process = Process(
        started.boot_id, started.pid, started.start_ticks, started.wrapper_pid, started.pid_namespace,
        job.process.within if job.process else (),
    )
    log = started.log or job.log
    others = tuple(path for path in (job.log, *job.logs) if path not in (None, log))
    return replace(
        job, keys=tuple(dict.fromkeys((*job.keys, key))), name=started.name, process=process, uid=started.uid,
        log=log, logs=tuple(path for path in others if path), started_at=min(job.started_at, started.started_at),
        log_offset=started.log_offset if started.log else job.log_offset,
    )  # fmt: skip


def absorb(job: Job, other: Job) -> Job:
    """Take over what was known as another job of the same run, by its log alone."""
    behind = job.progress_at is None or (other.progress_at or 0) > job.progress_at
    logs = tuple(dict.fromkeys(path for path in (*job.logs, other.log) if path not in (None, job.log)))
    return replace(
        job,
        keys=tuple(dict.fromkeys((*job.keys, *other.keys))),
        logs=tuple(path for path in logs if path)[:LOGS_AT_MOST],
        file=job.file or other.file,
        progress=other.progress if behind else job.progress,
        progress_at=other.progress_at if behind else job.progress_at,
        pace=other.pace if behind else job.pace,
        incident=job.incident or other.incident,
        completed_at=job.completed_at or other.completed_at,
    )


def note_end(job: Job, ended: ProcessEnded) -> tuple[Job, ProcessEnded | None]:
    """Note the end of a process; with it the end of the job, once it is that. A wrapper's word settles it."""
    pid = (ended.pid, ended.start_ticks)
    end = Exit(ended.ended_at, ended.exit_code, ended.signal, ended.reported, ended.big)
    job = replace(job, ranks=tuple(replace(rank, exit=end) if _pid(rank) == pid else rank for rank in job.ranks))
    leader = _pid(job.process) if job.process is not None else None
    ranks = {_pid(rank): rank.exit for rank in job.ranks}
    if ended.reported or leader not in ranks:
        return job, ended if ended.reported or pid == leader else None
    ends = [item for item in ranks.values() if item is not None]
    if pid not in ranks or len(ends) < len(ranks):
        return job, None
    worst = next((item for item in sorted(ends, key=_order) if item.code), ends[0])
    last = max(item.at for item in ends)
    return job, replace(ended, ended_at=last, exit_code=worst.code, signal=worst.signal)


def awaited(job: Job) -> list[Pid]:
    """The processes whose end is wanted: the leader, and every rank that lives."""
    if job.process is None or job.exit is not None:
        return []
    leader = _pid(job.process)
    ranks = {_pid(rank): rank.exit for rank in job.ranks}
    alive = [pid for pid, end in ranks.items() if end is None]
    return alive if leader in ranks else [leader, *alive]


def has_rank(job: Job, boot_id: str, pid: Pid) -> bool:
    """Whether a process is one of a job's ranks."""
    return job.process is not None and job.process.boot_id == boot_id and any(_pid(rank) == pid for rank in job.ranks)


def first_failure(job: Job) -> Rank | None:
    """The rank that failed first, as far as its end was seen; others mostly end because of it."""
    failed = [rank for rank in job.ranks if rank.exit is not None and rank.exit.code]
    return min(failed, key=lambda rank: _order(rank.exit), default=None)


def evidence(job: Job) -> tuple[str, ...]:
    """Say which rank failed first, in one line; nothing where none did."""
    rank = first_failure(job)
    if rank is None or rank.exit is None:
        return ()
    how = f"was killed by {rank.exit.signal}" if rank.exit.signal else f"exited with code {rank.exit.code}"
    number = f"rank {rank.rank}" if rank.rank is not None else "a rank"
    return (f"{number} (pid {rank.pid}) {how} first",)


def _order(end: Exit | None) -> tuple[bool, int]:
    if end is None:
        return True, 0
    return end.signal in STOPPED_BY_LAUNCHER, end.at


def _pid(process: Process | Rank | RankSeen) -> Pid:
    return process.pid, process.start_ticks


def _process(job: Job, seen: TreeSeen) -> Process:
    """The leader: the one that is known, unless the same is now seen from outside, or the user describes another."""
    known = job.process
    if known is not None and not seen.declared and not _is_same(known, seen):
        return known
    wrapper = known.wrapper_pid if known is not None else None
    return Process(seen.boot_id, seen.pid, seen.start_ticks, wrapper, seen.pid_namespace, seen.within)


def _is_same(known: Process, seen: TreeSeen) -> bool:
    numbers = (seen.pid, seen.inner[1] if seen.inner and seen.inner[0] == known.pid_namespace else None)
    return known.start_ticks == seen.start_ticks and known.pid in numbers


def _logs(job: Job, seen: TreeSeen) -> tuple[str | None, tuple[str, ...]]:
    """The log that a job goes by, which stays the first that was known, and all others."""
    every: Sequence[str] = [path for path in (job.log, *job.logs, *seen.logs) if path is not None]
    every = list(dict.fromkeys(every))[:LOGS_AT_MOST]
    return (every[0], tuple(every[1:])) if every else (None, ())


def _ranks(job: Job, seen: TreeSeen) -> tuple[Rank, ...]:
    """The ranks as last seen; those that have just gone stay until others take their place."""
    if not seen.ranks:
        return job.ranks
    known = {_pid(rank): rank for rank in job.ranks}
    now = [Rank(item.pid, item.start_ticks, item.rank, item.local_rank) for item in seen.ranks]
    now = [known.get(_pid(rank), rank) for rank in now]
    left = [rank for rank in job.ranks if _pid(rank) not in {_pid(item) for item in now}]
    return tuple(now[:RANKS_AT_MOST] if restarted(job, seen) else [*now, *left][:RANKS_AT_MOST])
