"""Where the files of other processes lie for the agent: they may see other mounts, in containers or under systemd.

Numbers of mounts are unique over all namespaces. What has been mounted elsewhere too, as folders that are handed into a
container, is found by its device and its place in the file system. Only tables are read, never what is mounted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.sources.mounts import decoded

RENEW_EVERY = 60.0
"""Seconds for which a table is believed."""

_NUMBER, _DEVICE, _ROOT, _PLACE = 0, 2, 3, 4
"""Fields of a line in proc_pid_mountinfo(5)."""


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount: which part of which file system can be seen where."""

    device: str
    """Major and minor number."""
    root: str
    """The folder of the file system that is mounted."""
    place: str


Table = Mapping[int, MountPoint]
"""The mounts of one namespace by their numbers."""


def parse(text: bytes) -> Table:
    """Read the text of `/proc/PID/mountinfo`."""
    lines = (line.split(b" ") for line in text.splitlines())
    return {
        int(words[_NUMBER]): MountPoint(decoded(words[_DEVICE]), decoded(words[_ROOT]), decoded(words[_PLACE]))
        for words in lines
        if len(words) > _PLACE
    }


def path_here(path: str, there: MountPoint, own: Iterable[MountPoint]) -> str | None:
    """Where a file lies for the agent that lies at `path` on a mount of another namespace; None if nowhere."""
    inside = _moved(path, there.place, there.root)
    mounts = tuple(own)
    same = (mount for mount in mounts if mount.device == there.device)
    found = [(mount, moved) for mount in same if inside and (moved := _moved(inside, mount.root, mount.place))]
    seen = [moved for mount, moved in found if _holder(moved, mounts) == mount]
    return path if path in seen else min(seen, key=len, default=None)


class MountTables:
    """The tables of the agent and of other processes."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[float, Table]] = {}

    def path_here(self, pid: int, mount: int, path: str, now: float) -> str | None:
        """Where an open file of a process lies for the agent; None if it cannot be reached.

        `mount`: the number of its mount; `now`: monotonic seconds.
        """
        own = self._table("self", now)
        if not own or mount in own:
            return path
        there = self._table(str(pid), now).get(mount) or self._table("1", now).get(mount)
        return None if there is None else path_here(path, there, own.values())

    def _table(self, process: str, now: float) -> Table:
        read_at, table = self._tables.get(process, (None, {}))
        if read_at is None or now - read_at >= RENEW_EVERY:
            self._tables = {name: item for name, item in self._tables.items() if now - item[0] < RENEW_EVERY}
            table = _read(process)
            self._tables[process] = now, table
        return table


def _read(process: str) -> Table:
    try:
        return parse(Path(f"/proc/{process}/mountinfo").read_bytes())
    except OSError:
        return {}


def _moved(path: str, start: str, end: str) -> str | None:
    """The same path with another beginning; None if it does not lie below `start`."""
    try:
        return str(PurePosixPath(end) / PurePosixPath(path).relative_to(start))
    except ValueError:
        return None


def _holder(path: str, mounts: Iterable[MountPoint]) -> MountPoint | None:
    """The mount that a path leads to; of several at one place the last hides the others."""
    holding = [mount for mount in mounts if _moved(path, mount.place, "/") is not None]
    longest = max((len(mount.place) for mount in holding), default=0)
    return next((mount for mount in reversed(holding) if len(mount.place) == longest), None)
