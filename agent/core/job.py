"""A job: one training run as the agent knows it, under an id that is minted once."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from agent.core.facts import LogFinding, Progress
from agent.core.loss_watch import WELL, LossWatch
from agent.core.pace import Pace
from agent.core.post_mortem import Autopsy
from agent.core.sightings import Big

NOTHING_YET = Progress()
UNKNOWN_PACE = Pace()


class JobState(StrEnum):
    """The contract's job states."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Incident:
    """What went wrong in a job since the first root was seen, not yet judged."""

    opened_at: int
    opened_step: int | None
    findings: tuple[LogFinding, ...]
    seen_at: tuple[int, ...]
    """When each finding was noticed, UTC milliseconds."""
    told: bool = False
    """Whether an alert about it was raised while the process lived on."""
    opened_epoch: float | None = None
    autopsy: Autopsy | None = None
    """What the GPUs showed when an out-of-memory error was read."""


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of the job's process: `code` as a shell shows it, None while unknown."""

    at: int
    code: int | None = None
    signal: str | None = None
    reported: bool = False
    big: tuple[Big, ...] = ()
    """What held most host memory then, if the process may have been killed for it."""


@dataclass(frozen=True, slots=True)
class Process:
    """The job's leading process, named so that a reused pid is never taken for it."""

    boot_id: str
    pid: int
    start_ticks: int
    wrapper_pid: int | None = None
    pid_namespace: int | None = None
    """Where the pids count, if that is known."""
    within: tuple[tuple[int, int], ...] = ()
    """Pid and start of every process above it, as far as they were seen."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One rank of the job on this node, and its end, if that was seen."""

    pid: int
    start_ticks: int
    rank: int | None = None
    """Its number over all nodes."""
    local_rank: int | None = None
    exit: Exit | None = None


@dataclass(frozen=True, slots=True)
class HeldGpu:
    """A GPU that a job holds: its index is the node's, not the one that the job counts with."""

    index: int
    uuid: str
    name: str


@dataclass(frozen=True, slots=True)
class Job:
    """One run. `keys` are the natural keys under which evidence arrives; the first of them minted the id."""

    id: str
    keys: tuple[str, ...]
    name: str
    started_at: int
    attempt: int = 1
    state: JobState = JobState.RUNNING
    reason: str | None = None
    """A kind of finding, or `exit`, `signal`, `scheduler`."""
    verified: bool = True
    """False where the end was inferred."""
    ended_at: int | None = None
    log: str | None = None
    log_offset: int = 0
    """Where in the log this run begins."""
    file: str | None = None
    """Identity of the log, as in `LogFinding.file`."""
    logs: tuple[str, ...] = ()
    """Further logs of the run, such as those of single ranks."""
    process: Process | None = None
    ranks: tuple[Rank, ...] = ()
    exit: Exit | None = None
    """Set once the process has ended, while the last words of its log are still awaited."""
    progress: Progress = NOTHING_YET
    progress_at: int | None = None
    pace: Pace = UNKNOWN_PACE
    """Its rhythm, as far as it has shown one."""
    loss_watch: LossWatch = WELL
    incident: Incident | None = None
    completed_at: int | None = None
    """When a completion marker was seen."""
    error: str | None = None
    model: str | None = None
    uid: int | None = None
    survived_at: tuple[int, ...] = ()
    """When out-of-memory errors were survived, the last hour's."""
    survivals_told_at: int | None = None
    """When it was said that they are many."""
    link: str | None = None
    user: str | None = None
    """Who runs it, where that may be told."""
    command: str | None = None
    """The leader's command line, likewise."""
    framework: str | None = None
    """What trains, where the launcher tells; the log often knows more."""
    gpus: tuple[str, ...] = ()
    """The GPUs that its environment allows it: numbers or UUIDs."""
    held: tuple[HeldGpu, ...] = ()
    """The GPUs of the node that it holds, as last seen."""

    @property
    def running(self) -> bool:
        """Whether the end is still to come."""
        return self.ended_at is None


def mint(key: str) -> str:
    """Make a job's id from its first natural key."""
    return "job-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12]
