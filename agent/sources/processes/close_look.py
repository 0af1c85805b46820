"""One close look at a process: what it runs, for whom, and where it stands in its run.

The arguments and the environment of a process are read from its own memory: who reads them waits for whoever holds
the lock on that memory, which in a process that is blocked in the kernel may be for ever. So those are asked for their
state first. What is read is forgotten again, but for names and ranks.
"""

from dataclasses import dataclass

from agent.core import launchers, places
from agent.core.procstat import ProcStat
from agent.core.programs import Kind
from agent.core.trees import Member
from agent.sources import proc

_ENVIRONS = (Kind.LAUNCHER, Kind.TRAINER, Kind.WORKER, Kind.OTHER)
"""Programs whose environment may say something; there is no need to look into that of others."""


class Gone(Exception):  # noqa: N818 - a state of the world, not a fault
    """There is no such process any more."""


@dataclass(frozen=True, slots=True)
class Close:
    """What a close look shows. `words`: the whole command line, for the user's own patterns; to be kept no longer."""

    member: Member
    words: tuple[str, ...]


def look(pid: int, stat: ProcStat) -> Close:
    """Look at a process that is neither blocked nor a thread of the kernel. Raises Gone."""
    words = _words(pid) or (stat.name,)
    program = launchers.recognise(words)
    uid, inner = proc.credentials(pid)
    member = Member(
        pid, stat.parent, stat.start_ticks, program, _place(pid) if program.kind in _ENVIRONS else places.Place(), uid,
        hash(words), pid_namespace=proc.pid_namespace(pid) if inner is not None else None, inner_pid=inner,
    )  # fmt: skip
    return Close(member, words)


def _words(pid: int) -> tuple[str, ...]:
    try:
        return proc.arguments(pid)
    except PermissionError:
        return ()
    except OSError:
        raise Gone from None


def _place(pid: int) -> places.Place:
    """Where the environment says that it stands; nowhere if that may not be read, or it went meanwhile."""
    try:
        return places.place(proc.environ(pid))
    except OSError:
        return places.Place()
