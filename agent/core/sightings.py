"""What is seen of the processes of one run: told when they are taken for a job, and whenever it changes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RankSeen:
    """One rank of a run on this node. `rank` is its number over all nodes, where its environment may be read."""

    pid: int
    start_ticks: int
    rank: int | None = None
    local_rank: int | None = None


@dataclass(frozen=True, slots=True)
class TreeSeen:
    """The processes of one run and what they write to, as last seen. The leader is named by boot, pid and start."""

    boot_id: str
    pid: int
    start_ticks: int
    started_at: int
    """When the leader was started, UTC milliseconds."""
    name: str
    """The script's name; never an argument."""
    because: str
    """Why it is taken for a job, in words."""
    declared: bool = False
    """Whether the configuration describes it, so that `name` is the user's word for it."""
    logs: tuple[str, ...] = ()
    """Files that its output goes to, the standard output's first, then others that look like logs."""
    log_offset: int = 0
    """The byte at which this run begins in the first of them, as far as that is known."""
    ranks: tuple[RankSeen, ...] = ()
    within: tuple[tuple[int, int], ...] = ()
    """Pid and start of every process above the leader."""
    pid_namespace: int | None = None
    """The namespace in which these pids count: the agent's own."""
    inner: tuple[int, int] | None = None
    """The leader's own namespace and its pid there, if that is another one."""
    uid: int | None = None
    model: str | None = None
    framework: str | None = None
    gpus: tuple[str, ...] = ()
    """The GPUs that its environment allows it: numbers or UUIDs; empty if unknown."""
    command: str | None = None
    """The leader's command line, fit to be shown; None unless the user has asked for it."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A thread that is blocked in the kernel and has not run since. `since`: UTC milliseconds."""

    pid: int
    name: str
    since: int
    waits_in: str | None = None
    """The kernel's function in which it waits, if that may be seen."""
    mount: str | None = None
    """The file system that it waits for, as far as its open files tell."""


@dataclass(frozen=True, slots=True)
class Big:
    """A process and the bytes of host memory that it held."""

    pid: int
    name: str
    held: int
