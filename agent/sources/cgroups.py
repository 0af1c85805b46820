"""Kills for lack of memory, as the counters of memory cgroups tell: also where the kernel's log may not be read.

Decides nothing. A counter does not say which process was killed, so it speaks only where one running job alone lives in
a cgroup.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.core.clock import Instant
from agent.core.facts import Event, KernelSeen, event_id
from agent.core.kernel_log import KernelKind
from agent.core.model import Json
from agent.core.ports import Reading, Unavailable
from agent.sources import proc

ProcessKey = tuple[str, int, int]
"""A process by boot id, pid and start ticks."""

CGROUPS = Path("/sys/fs/cgroup")
LINGER = 30.0
"""Seconds for which a cgroup is looked at after the end of the process that led there."""
_FILES = ("memory.events.local", "memory.events", "memory.oom_control")
"""Where the kills of a cgroup are counted: without those of cgroups below it, with them, and in version 1."""


@dataclass(slots=True)
class _Followed:
    """The cgroup of a leading process; `kills` at the last look."""

    group: str
    counter: Path
    kills: int
    until: float = 0.0


class CgroupSource:
    """Implements `core.ports.Source`. `leaders` gives the processes that lead running jobs."""

    name = "cgroups"

    def __init__(
        self, leaders: Callable[[], Collection[ProcessKey]], interval: float = 5.0, root: Path = CGROUPS
    ) -> None:
        self.interval = interval
        self._leaders = leaders
        self._root = root
        self._followed: dict[ProcessKey, _Followed] = {}

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Nothing is kept: what was killed while nobody looked is told by the kernel's log."""

    def read(self, now: Instant) -> Reading:
        """Look at the counter of every job's cgroup."""
        try:
            boot = proc.boot_id()
        except OSError:
            raise Unavailable("cgroups are looked at on Linux with /proc only") from None
        for leader in self._leaders():
            known = self._followed.get(leader) or (_follow(leader[1], self._root) if leader[0] == boot else None)
            if known is not None:
                known.until = now.monotonic + LINGER
                self._followed[leader] = known
        self._followed = {leader: item for leader, item in self._followed.items() if item.until >= now.monotonic}
        shared = Counter(item.group for item in self._followed.values())
        events = [event for leader, item in self._followed.items() if (event := _look(leader, item, now)) is not None]
        alone = {leader for leader, item in self._followed.items() if shared[item.group] == 1}
        return Reading(events=tuple(event for leader, event in events if leader in alone))

    def close(self) -> None:
        """Nothing is held."""


def _follow(pid: int, root: Path) -> _Followed | None:
    """Find the memory cgroup of a process; None where there is none, or it is out of sight."""
    for folder, group in _places(pid, root):
        for name in _FILES:
            kills = _kills(folder / name)
            if kills is not None:
                return _Followed(group, folder / name, kills)
    return None


def _places(pid: int, root: Path) -> list[tuple[Path, str]]:
    """The folders in which the memory of a process may be counted, with the names of the cgroups."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    found: list[tuple[Path, str]] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        inside = group.lstrip("/")
        if ".." in Path(inside).parts or not inside:
            continue  # above the agent's own namespace, or everybody's
        if controllers == "":
            found += [(root / inside, group), (root / "unified" / inside, group)]
        elif "memory" in controllers.split(","):
            found.append((root / "memory" / inside, group))
    return found


def _kills(counter: Path) -> int | None:
    """How many processes of a cgroup were killed for lack of memory; None where that is not counted."""
    try:
        lines = counter.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def _look(leader: ProcessKey, item: _Followed, now: Instant) -> tuple[ProcessKey, Event] | None:
    """The event that tells of kills since the last look."""
    before, kills = item.kills, _kills(item.counter)
    if kills is None or kills <= before:
        return None
    item.kills = kills
    boot, pid, _ = leader
    text = f"The kernel killed {kills - before} of the processes in cgroup {item.group} for lack of memory"
    fact = KernelSeen(
        boot, KernelKind.OOM_KILL, text, now.wall, pid=pid, facts={"cgroup": item.group, "kills": kills}
    )
    return leader, Event(event_id(CgroupSource.name, *leader, kills), CgroupSource.name, now.wall, fact)
