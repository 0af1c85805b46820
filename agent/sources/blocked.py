"""Threads that the kernel does not let run: what a silent job's processes wait for, a disk or the server of a mount.

It also tells which of them work, on a processor or with a disk that answers. Only processes of jobs that make no step
are looked at. Nothing is read that belongs to their memory, such as their arguments: who reads that of a blocked
process may wait as long. Names of open files are read, and nothing behind them.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from agent.core.clock import Instant
from agent.core.model import Json
from agent.core.ports import Reading
from agent.core.procstat import ProcStat, parse
from agent.core.sightings import Stuck
from agent.sources import mounts, proc
from agent.sources.mounts import Mount
from agent.sources.processes import open_files

INTERVAL = 20.0
"""Seconds: a thread must be stuck for two minutes to count, and jobs have many threads."""
WORKS = 0.2
"""Share of one processor from which a process does something: who waits with time-outs uses less."""
THREADS_AT_MOST = 1_024
"""Threads of one process that are looked at."""

_READ_AT_MOST = 4_096
_TICKS = os.sysconf("SC_CLK_TCK")
_WAITS: Mapping[str, tuple[str, ...]] = {
    "request_wait_answer": ("fuse", "fuseblk"),
    "fuse_": ("fuse", "fuseblk"),
    "rpc_wait_bit": ("nfs", "nfs4"),
    "nfs": ("nfs", "nfs4"),
    "wait_for_response": ("cifs", "smb3"),
    "cifs_": ("cifs", "smb3"),
    "smb2_": ("cifs", "smb3"),
    "p9_": ("9p",),
    "ceph_": ("ceph",),
    "ll_": ("lustre",),
    "ptlrpc_": ("lustre",),
    "cl_": ("lustre",),
}
"""Beginnings of kernel functions that wait for a mount's server, with the types of such mounts."""


class _Thread(NamedTuple):
    pid: int
    number: int
    started: int


class _Seen(NamedTuple):
    switches: int
    since: int


class BlockedSource:
    """Implements `core.ports.Source`. `suspects` gives the pids to look at."""

    name = "blocked"
    interval = INTERVAL

    def __init__(self, suspects: Callable[[], Collection[int]]) -> None:
        self._suspects = suspects
        self._seen: dict[_Thread, _Seen] = {}
        self._used: dict[int, float] = {}
        """Seconds of processors that each process had used."""
        self._looked_at = 0.0

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """There is nothing to continue: a thread that is still blocked is seen again."""

    def read(self, now: Instant) -> Reading:
        """Look at the suspects; a thread is stuck from the first of the looks since which it has not run."""
        suspects = self._suspects()
        seen: dict[_Thread, _Seen] = {}
        stuck = []
        working = self._computing(suspects, now)
        for pid in suspects:
            for thread, stat, waits_in in _waiting(pid):
                before, switches = self._seen.get(thread), _switches(thread)
                if switches is None:
                    continue
                rests = before is not None and before.switches == switches
                if before is not None and not rests:
                    working.add(pid)  # what it waits for answers
                since = before.since if before is not None and rests else now.wall
                seen[thread] = _Seen(switches, since)
                stuck.append(Stuck(pid, stat.name, since, waits_in, _mount(pid, waits_in)))
        self._seen = seen
        return Reading(stuck=tuple(stuck), working=frozenset(working))

    def close(self) -> None:
        """Nothing is held open."""

    def _computing(self, suspects: Collection[int], now: Instant) -> set[int]:
        """The processes that have used processors since the look before."""
        stats = ((pid, proc.stat(pid)) for pid in suspects)
        used = {pid: stat.cpu_ticks / _TICKS for pid, stat in stats if stat is not None}
        least = WORKS * (now.monotonic - self._looked_at)
        working = {pid for pid, seconds in used.items() if pid in self._used and seconds - self._used[pid] > least}
        self._used, self._looked_at = used, now.monotonic
        return working


def _waiting(pid: int) -> Iterator[tuple[_Thread, ProcStat, str | None]]:
    """The threads of a process that wait in the kernel for a disk or a server, and in which function."""
    try:
        with os.scandir(f"/proc/{pid}/task") as entries:
            numbers = [int(entry.name) for _, entry in zip(range(THREADS_AT_MOST), entries, strict=False)]
    except OSError:
        return
    for number in numbers:
        line = _text(f"/proc/{pid}/task/{number}/stat") or ""
        state = line[line.rfind(")") + 2 :][:1]
        if state not in ("D", "S"):
            continue
        waits_in = _text(f"/proc/{pid}/task/{number}/wchan")
        if state == "D" or _types(waits_in):
            stat = parse(line)
            yield _Thread(pid, number, stat.start_ticks), stat, waits_in


def _switches(thread: _Thread) -> int | None:
    """How often a thread was taken off a processor: as long as that stays equal it has not run."""
    fields = proc.status(f"{thread.pid}/task/{thread.number}")
    names = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    return sum(int(fields[name][0]) for name in names) if all(name in fields for name in names) else None


def _types(waits_in: str | None) -> tuple[str, ...]:
    """The types of file system whose server a kernel function waits for; empty if it is none of those."""
    return next((types for start, types in _WAITS.items() if (waits_in or "").startswith(start)), ())


def _mount(pid: int, waits_in: str | None) -> str | None:
    """The mount that a process most likely waits for: of the function's type, or else remote, and best one it uses."""
    table = _table(pid)
    types = _types(waits_in)
    fitting = [mount for mount in table if mount.fstype.partition(".")[0] in types] if types else mounts.remote(table)
    used = {mounts.holder(path, table) for path in _used(pid)}
    found = [mount for mount in fitting if mount in used] or fitting
    return str(found[0]) if len(found) == 1 else None


def _table(pid: int) -> tuple[Mount, ...]:
    for path in (Path(f"/proc/{pid}/mounts"), mounts.MOUNT_TABLE):
        try:
            return mounts.parse(path.read_bytes())
        except OSError:
            continue
    return ()


def _used(pid: int) -> list[str]:
    """The paths of a process's open files, and the folder that it works in."""
    opened = open_files.links(pid) or {}
    return [path for path in (*opened.values(), _link(f"/proc/{pid}/cwd")) if path and path.startswith("/")]


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - a text already
    except OSError:
        return None


def _text(path: str) -> str | None:
    """A small file of `/proc`; None if its process is gone, or may not be seen."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs more than the read, for every thread
            text = file.read(_READ_AT_MOST).decode("utf-8", "replace").strip()
    except OSError:
        return None
    return None if text in ("", "0") else text
