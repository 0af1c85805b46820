"""The protocols that rooms of the house meet by. Each has one or two verbs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from agent.core.clock import Instant
from agent.core.facts import Activity, Event, Progress
from agent.core.gpu import GpuDriver, GpuReading
from agent.core.model import Json, Sample
from agent.core.sightings import Stuck, TreeSeen

if TYPE_CHECKING:  # children that look at one thing alone have no messages to make
    from agent.core.message import Message

Checkpoint = Mapping[str, Json | None]
"""Where a source stands, key by key; None removes a key. Only changed keys are given."""


@dataclass(frozen=True, slots=True)
class LogReading:
    """How far one log has been read, and the last progress it shows."""

    path: str
    file: str
    offset: int
    size: int
    progress: Progress | None
    progress_at: int | None
    """When the progress last changed, UTC milliseconds."""
    grown_at: int | None = None
    """When bytes were last added, UTC milliseconds."""
    activity: Activity | None = None
    """What the newest telling line says that the program does; None while no line told."""
    activity_at: int | None = None
    """When a line last told of that activity, UTC milliseconds."""


@dataclass(frozen=True, slots=True)
class LogHeld:
    """Where something that a run writes goes to: a file, or what is none and why it is not read."""

    what: str
    """Whose it is, in words: "the standard output of train.py (pid 7)"."""
    path: str | None = None
    begin: int | None = None
    """The byte at which the run begins in it; None where that is to be found out."""
    trouble: str | None = None
    """Why it is not read, with what to do."""
    uid: int | None = None
    """Who writes it; he must be allowed to read it, too."""


@dataclass(frozen=True, slots=True)
class TreeReading:
    """Processes that might be training: one run, or a program that looks like one and is none."""

    pid: int
    name: str
    taken: bool
    because: str
    """Why it is a job or none, in words."""
    seen: TreeSeen | None = None
    """The run; None for what can be none."""
    pids: tuple[int, ...] = ()
    """Every process of the run, where it is one."""
    logs: tuple[LogHeld, ...] = ()
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the outside gave."""

    samples: tuple[Sample, ...] = ()
    events: tuple[Event, ...] = ()
    checkpoint: Checkpoint = field(default_factory=dict)
    logs: tuple[LogReading, ...] = ()
    again_in: float | None = None
    """Seconds until the next look is wanted, if sooner than the source's interval; 0 while more waits to be read."""
    watch: tuple[int, ...] = ()
    """File descriptors that wake the source when they become readable."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Files that are there but cannot be read, by path, with the reason."""
    gpus: tuple[GpuReading, ...] | None = None
    """Every GPU known; None where this look was not at them."""
    driver: GpuDriver | None = None
    trees: tuple[TreeReading, ...] | None = None
    """What runs on the node that is training or might be; None where this look was not at processes."""
    stuck: tuple[Stuck, ...] | None = None
    """Threads of silent jobs that the kernel does not let run; None where this look was not at them."""
    working: frozenset[int] = frozenset()
    """Pids of silent jobs that have computed or waited for a disk that answers, since the look before."""
    dropped: tuple[str, ...] = ()
    """Paths of logs that are not followed any more."""


@dataclass(frozen=True, slots=True)
class WantedLog:
    """A log to follow for a running job, from the byte at which its run began; None where that is to be found out.

    `uid` is the user who named or writes it, who must be allowed to read it. `writer`: the processes that hold it open,
    where they are known; `found`: only they have led to it.
    """

    path: str
    begin: int | None = 0
    uid: int | None = None
    writer: TreeSeen | None = None
    found: bool = False


class Unavailable(Exception):  # noqa: N818 - a state of the world, not a fault
    """What the source looks at is not there; the text says what and what to do. Expected, unlike any other error."""


class Source(Protocol):
    """Turns the outside into samples and events; may block; never decides severity or routing."""

    name: str
    interval: float
    """Seconds between two looks."""

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Continue where the stored checkpoint says; called once, before the first `read`."""
        ...

    def read(self, now: Instant) -> Reading:
        """Look once. The checkpoint returned is committed together with the events returned."""
        ...

    def close(self) -> None:
        """Let go of files and watches."""
        ...


@runtime_checkable
class Consuming(Protocol):
    """A source that does away with what it has read, and so has to know when that is safely stored."""

    def committed(self) -> None:
        """Everything returned so far is stored; called after each commit of events, by the thread that reads."""
        ...


@runtime_checkable
class Patient(Protocol):
    """A source that keeps a deadline of its own within each look, and tells itself what did not answer in time."""

    deadline: float
    """Seconds after which even such a look counts as stuck."""


class SendErrorKind(StrEnum):
    """What became of a message that was not accepted; see `SendError`."""

    RETRY = "retry"
    LIMITED = "limited"
    REJECTED = "rejected"
    MISCONFIGURED = "misconfigured"
    UNCERTAIN = "uncertain"


class SendError(Exception):
    """A channel could not deliver.

    `kind`: `retry` (not delivered, try later), `limited` (the provider asks for a pause), `rejected` (this message:
    size, schema, markup), `misconfigured` (credential, address, permission, gone), `uncertain` (written, no answer
    read). `retry_after` is in seconds. `detail` is redacted and safe to store. `reason` is a metric label: other,
    client_error, server_error, auth_error, rate_limited, timeout, network, tls, gone, redirect.
    """

    def __init__(
        self, kind: SendErrorKind, detail: str, *, retry_after: float | None = None, reason: str = "other",
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider accepted the message. What is None here leaves what was known before as it is.

    The three references come back with later messages (`core.references.References`): `ref` is the provider's id of its
    message or object about the alert, `job_ref` that of its thread about the job, `moved_to` the channel's new address.
    """

    ref: str | None = None
    status: int | None = None
    job_ref: str | None = None
    moved_to: str | None = None


class Channel(Protocol):
    """Turns one message into a request, or a few, and classifies the answer. Never retries, sleeps or stores."""

    def send(self, message: "Message", key: str) -> Receipt:
        """Deliver; `key` is the idempotency key, equal over all attempts. Raises SendError.

        A reference that the provider no longer knows is not used, and the receipt has another in its place.
        """
        ...

    def preview(self, message: "Message", key: str) -> str:
        """The exact request as text, with every secret masked; sends nothing."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A channel whose provider can be asked whether it would take messages, without one that anybody sees."""

    def probe(self) -> str:
        """Authenticate, and see that the target is there; returns who answered, in words. Raises SendError."""
        ...


@runtime_checkable
class Refreshing(Protocol):
    """A channel whose receiver forgets what it is not reminded of."""

    refresh_every: float
    """Seconds between two reminders."""

    def refresh(self, messages: Sequence["Message"], now: int) -> None:
        """Tell again what is open, and what was resolved lately. `now` is in UTC milliseconds. Raises SendError."""
        ...
