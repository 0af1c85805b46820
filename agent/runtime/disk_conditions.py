"""Asks the rules about file systems, each time that a source has looked at them."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from agent.core import disk_rules
from agent.core.conditions import ConditionState
from agent.core.disk import DiskFault, readings, troubles
from agent.core.disk_past import DiskPast
from agent.core.disk_rules import DiskLimits
from agent.core.episodes import Seen
from agent.core.facts import Event, KernelSeen
from agent.core.kernel_log import KernelKind
from agent.core.model import Sample, Severity
from agent.runtime.board import Board

SOURCES = ("disk", "remote_disks")
"""What looks at file systems: those that answer from this kernel, and those that may hang whoever looks."""

OF_DISKS = frozenset({KernelKind.DISK_IO, KernelKind.READ_ONLY})


class DiskConditions:
    """The past of every file system, and what was judged last."""

    def __init__(self, board: Board, recent: Callable[[int], Iterable[Event]]) -> None:
        """`recent` gives what the kernel wrote since a time (UTC milliseconds), as it is stored."""
        self._board = board
        self._recent = recent
        self._faults: dict[str, DiskFault] | None = None
        """By device; None until what was written before the start is known."""
        self._past: Mapping[str, DiskPast] = {}
        self._judged: dict[str, object] = {}

    def hear(self, fact: KernelSeen, at: int) -> None:
        """Take in what the kernel wrote of a device."""
        if fact.device is not None and self._faults is not None:
            read_only = fact.kind is KernelKind.READ_ONLY
            self._faults[fact.device] = DiskFault(fact.device, fact.text, at, read_only, fact.affected)
            self._judged.clear()

    def seen(
        self, limits: DiskLimits | None, node: str, now: int, states: Mapping[str, ConditionState], *, again: bool
    ) -> list[Seen]:
        """Judge what has been looked at since the last round; with `again` also what is known from before.

        A condition that waits or fires has to be judged in each round, since time alone may change it.
        """
        if self._faults is None:
            self._faults = {}
            for event in self._recent(now - disk_rules.FAULT_LASTS):
                if isinstance(event.fact, KernelSeen) and event.fact.kind in OF_DISKS:
                    self.hear(event.fact, event.at)
        found: list[Seen] = []
        for source in SOURCES if limits is not None else ():
            samples = self._board.samples_of(source)
            fresh = self._judged.get(source) != (samples, limits, node)
            self._judged[source] = (samples, limits, node)
            if limits is not None and (fresh or again):
                found += self._look(samples, limits, node, now, states)
        return found

    def _look(
        self, samples: tuple[Sample, ...], limits: DiskLimits, node: str, now: int, states: Mapping[str, ConditionState]
    ) -> Iterator[Seen]:
        def firing(fingerprint: str) -> Severity | None:
            state = states.get(fingerprint)
            return state.severity if state is not None and state.firing else None

        disks = readings(samples)
        self._past = disk_rules.past(self._past, disks, now)
        for disk in disks:
            yield from disk_rules.look(
                disk, self._past[disk.mountpoint], limits, node, firing, self._fault(disk.device, now)
            )
        for trouble in troubles(samples):
            yield from disk_rules.look_at_trouble(trouble, node)

    def _fault(self, device: str, now: int) -> DiskFault | None:
        """What the kernel wrote of a mounted device lately; the newest, if of several."""
        lately = (item for item in (self._faults or {}).values() if now - item.at < disk_rules.FAULT_LASTS)
        return max((item for item in lately if item.concerns(device)), key=lambda item: item.at, default=None)
