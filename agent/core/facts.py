"""What sources report: facts as found, without judgement of severity or routing.

Each fact becomes one stored `Event`, whose id is derived from where the fact was read, so that reading the same
place again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import get_args

from agent.core.kernel_log import KernelKind
from agent.core.model import AlertType, Json, Severity, Status
from agent.core.sightings import Big, TreeSeen


class FindingKind(StrEnum):
    """What a log line is about: the kinds of the contract's `scan` output."""

    GPU_OOM = "gpu_oom"
    HOST_OOM = "host_oom"
    STALL = "stall"
    CRASH = "crash"
    DISK_FULL = "disk_full"
    NAN_LOSS = "nan_loss"
    XID = "xid"
    CANCELLED = "cancelled"
    STARTED = "started"
    COMPLETED = "completed"


class Role(StrEnum):
    """What a finding contributes to an incident.

    A `root` may be the cause; `fallout` follows from one; a `survivable` error is expected to be caught; `advice`
    only explains; `confirm` raises the grade of a root; a `marker` tells a job's start or end.
    """

    ROOT = "root"
    FALLOUT = "fallout"
    SURVIVABLE = "survivable"
    ADVICE = "advice"
    CONFIRM = "confirm"
    MARKER = "marker"


class Activity(StrEnum):
    """What a log says that the program is doing, as far as that bears on how long a silence may last."""

    PREPARING = "preparing"
    """Loading, downloading, tokenising, compiling: before or between training steps."""
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"
    """Writing a checkpoint, until the log says that it is written or goes on with something else."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The numbers of one progress line, as printed: unknown is None, never 0; a loss may be nan or inf."""

    step: int | None = None
    total: int | None = None
    epoch: float | None = None
    loss: float | None = None
    throughput: float | None = None
    """Steps a second."""
    framework: str | None = None


@dataclass(frozen=True, slots=True)
class LogFinding:
    """A line, or an assembled block of lines, that a signature recognised."""

    path: str
    file: str
    """Identity of the content, as `"dev:ino:ms"`: device, inode, when first seen; inode numbers are used again."""
    offset: int
    """Byte offset of the line in the file."""
    signature: str
    kind: FindingKind
    role: Role
    severity: Severity
    text: str
    """The line, cleaned of prefixes and control characters, at most 500 characters."""
    rank: int | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    context: tuple[str, ...] = ()
    """Neighbouring lines worth showing, cleaned, in the order of the file."""
    final: bool = False
    """Whether nothing survives this text (an elastic summary, a traceback's exit of the interpreter)."""
    doubt: int = 0
    """0: names a cause; 1: tells that something ended, not why; 2: mostly follows from something else."""
    written_at: int | None = None
    """When the line was written, if the log itself says so."""
    progress: Progress | None = None
    """The training progress shown before this line."""
    writer: TreeSeen | None = None
    """The processes that hold the log open, where they are known."""
    found: bool = False
    """Whether only they led to the log, which therefore may tell of anything but training."""


@dataclass(frozen=True, slots=True)
class TrainingSeen:
    """The first progress of a run in a log: at its start, or after an end or a new beginning was seen."""

    path: str
    file: str
    offset: int
    progress: Progress
    writer: TreeSeen | None = None
    """As in `LogFinding`."""


@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """A training command was started by `exec`. The process is named by boot, pid and start."""

    boot_id: str
    pid: int
    start_ticks: int
    started_at: int
    name: str
    command: str
    """The script's name only; never its arguments."""
    log: str | None = None
    log_offset: int = 0
    """Bytes that the log held before: what stands there is another run's."""
    wrapper_pid: int | None = None
    """The `exec` that will report the exit code, if one does."""
    pid_namespace: int | None = None
    """The namespace in which the pids count (its inode); processes of another one cannot be seen from outside."""
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """A process ended. `exit_code` as a shell shows it (128+n after signal n); None where nobody could learn it."""

    boot_id: str
    pid: int
    start_ticks: int
    ended_at: int
    exit_code: int | None = None
    signal: str | None = None
    reported: bool = False
    """Whether the parent itself reported it, which settles the exit code."""
    uid: int | None = None
    """Who handed it in; None where the agent saw it itself."""
    big: tuple[Big, ...] = ()
    """What held most host memory right then, where the process was, or may have been, killed for lack of it."""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """An event that a person, a script or a program handed in by `emit` or the API."""

    type: AlertType
    status: Status
    severity: Severity
    title: str | None = None
    message: str | None = None
    job: Mapping[str, Json] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class ReportMade:
    """A report of a period is ready, or a person wants it sent."""

    type: AlertType
    period: str
    """The period's key."""
    title: str
    message: str
    bounds: str
    """The period with its beginning and end, in words."""
    lines: tuple[str, ...]
    report: Mapping[str, Json]
    """As `core.report` builds it."""
    asked: bool = False
    """Whether a person asked for it, who shall have it even if it was sent before."""


@dataclass(frozen=True, slots=True)
class ResolveAsked:
    """A person ended a firing alert by hand."""

    alert_id: str
    author: str


@dataclass(frozen=True, slots=True)
class KernelSeen:
    """The kernel wrote something that matters: about a GPU, a process killed for memory, a disk."""

    boot_id: str
    kind: KernelKind
    text: str
    written_at: int
    pci: str | None = None
    """Domain, bus and device of a GPU, as `"0000:05:00"`."""
    xid: int | None = None
    pid: int | None = None
    process: str | None = None
    device: str | None = None
    """A block device, without `/dev/`."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    affected: tuple[str, ...] = ()
    """The devices that lose data with that one, such as the volumes on it."""


Fact = (
    LogFinding
    | TrainingSeen
    | TreeSeen
    | ProcessStarted
    | ProcessEnded
    | KernelSeen
    | HandedIn
    | ReportMade
    | ResolveAsked
)

FACTS: Mapping[str, type[Fact]] = {cls.__name__: cls for cls in get_args(Fact)}
"""Every kind of fact by the name under which it is stored."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact with its identity and the moment it was noticed (UTC milliseconds)."""

    id: str
    source: str
    at: int
    fact: Fact


def event_id(*parts: str | int) -> str:
    """Derive an event's id from where it was read, for example (file identity, offset, signature)."""
    import hashlib  # deferred: it brings a library of several megabytes, and most children find no events

    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
