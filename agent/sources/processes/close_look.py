"""One close look at a process: what it runs, for whom, and where it stands in its run.

The arguments and the environment of a process are read from its own memory: who reads them waits for whoever holds
the lock on that memory, which in a process that is blocked in the kernel may be for ever. So those are asked for their
state first. What is read is forgotten again, but for names and ranks.
"""

from dataclasses import dataclass

import psutil

from agent.core import launchers, places
from agent.core.procstat import ProcStat
from agent.core.programs import Kind
from agent.core.trees import Member
from agent.sources import proc

_ENVIRONS = (Kind.LAUNCHER, Kind.TRAINER, Kind.WORKER, Kind.OTHER)
"""Programs whose environment may say something; there is no need to look into that of others."""


class Gone(Exception):  # noqa: N818 - a state of the world, not a fault
    """There is no such process any more, or none that may be seen."""


@dataclass(frozen=True, slots=True)
class Close:
    """What a close look shows. `words`: the whole command line, for the user's own patterns; kept no longer."""

    member: Member
    words: tuple[str, ...]
    environ_read: bool


def look(pid: int, stat: ProcStat) -> Close:
    """Look at a process that is neither blocked nor a thread of the kernel. Raises Gone."""
    try:
        process = psutil.Process(pid)
        words = tuple(process.cmdline())
    except psutil.AccessDenied:
        words, process = (stat.name,), None
    except psutil.Error:
        raise Gone from None
    program = launchers.recognise(words or (stat.name,))
    place = _place(process) if process is not None and program.kind in _ENVIRONS else None
    uid, inner = _credentials(pid)
    member = Member(
        pid, stat.parent, stat.start_ticks, program, place or places.Place(), uid, hash(words),
        pid_namespace=proc.pid_namespace(pid) if inner is not None else None, inner_pid=inner,
    )  # fmt: skip
    return Close(member, words, place is not None)


def _place(process: psutil.Process) -> places.Place | None:
    """Where the environment says that it stands; None where that may not be read."""
    try:
        return places.place(process.environ())
    except psutil.Error:
        return None
    except OSError:  # the process went while its memory was read
        return None


def _credentials(pid: int) -> tuple[int | None, int | None]:
    """The real user id, and the pid in a namespace of its own, if it has one."""
    fields = proc.status(pid)
    uids, numbers = fields.get("Uid", ()), fields.get("NSpid", ())
    return (int(uids[0]) if uids else None), (int(numbers[-1]) if len(numbers) > 1 else None)
