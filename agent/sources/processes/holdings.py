"""What processes hold open, asked often while they are young and now and then later: devices, files, pipes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agent.sources.processes import open_files
from agent.sources.processes.open_files import FileInfo, Links

YOUNG = 60.0
"""Seconds after the first look during which a process is asked every time: programs open their logs at their start."""
ASK_EVERY = 30.0
"""Seconds between two looks at what an older process holds."""
DEVICES = ("/dev/nvidia-uvm", "/dev/kfd", "/dev/accel", "/dev/davinci0", "/dev/habanalabs", "/dev/neuron0", "/dev/dri")
"""Where none of these is, nobody holds a GPU."""

Pid = tuple[int, int]
"""A process of this boot by pid and start ticks."""


@dataclass(slots=True)
class _Held:
    first: float
    asked: float
    links: Links | None
    infos: dict[int, tuple[str, FileInfo | None]] = field(default_factory=dict)


class Holdings:
    """What each process was last seen to hold."""

    def __init__(self) -> None:
        self._held: dict[Pid, _Held] = {}
        self.now = 0.0
        self._gpus = False

    def begin(self, now: float, living: Iterable[Pid]) -> None:
        """Begin a look, at `now` monotonic seconds; those that do not live any more are forgotten."""
        self.now = now
        self._gpus = any(Path(device).exists() for device in DEVICES)
        kept = set(living)
        self._held = {pid: held for pid, held in self._held.items() if pid in kept}

    def links(self, pid: Pid) -> Links | None:
        """What its descriptors lead to; None where that may not be seen."""
        held = self._held.get(pid)
        if held is None:
            held = self._held[pid] = _Held(self.now, self.now, open_files.links(pid[0]))
        elif held.asked < self.now and (self.now - held.first < YOUNG or self.now - held.asked >= ASK_EVERY):
            held.asked, held.links = self.now, open_files.links(pid[0])
        return held.links

    def info(self, pid: Pid, number: int) -> FileInfo | None:
        """How one of its files is open; asked once, as that does not change."""
        links = self.links(pid) or {}
        target, infos = links.get(number, ""), self._held[pid].infos
        if infos.get(number, ("", None))[0] != target:
            infos[number] = target, open_files.info(pid[0], number)
        return infos[number][1] if number in infos else None

    def holds_gpu(self, pid: Pid, *, may_draw: bool) -> bool:
        """Whether it holds a GPU for computing. `may_draw`: it may be a program that draws."""
        return self._gpus and open_files.holds_gpu((self.links(pid) or {}).values(), may_draw=may_draw)

    def ray_job(self, pid: Pid) -> str | None:
        """The job of Ray for which it works, or which it drives."""
        return open_files.ray_job((self.links(pid) or {}).values())
