"""Asks the rules about file systems, each time that a source has looked at them."""

from collections.abc import Iterator, Mapping

from agent.core import disk_rules
from agent.core.conditions import ConditionState
from agent.core.disk import readings, troubles
from agent.core.disk_past import DiskPast
from agent.core.disk_rules import DiskLimits
from agent.core.episodes import Seen
from agent.core.model import Sample, Severity
from agent.runtime.board import Board

SOURCES = ("disk", "remote_disks")
"""What looks at file systems: those that answer from this kernel, and those that may hang whoever looks."""


class DiskConditions:
    """The past of every file system, and what was judged last."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._past: Mapping[str, DiskPast] = {}
        self._judged: dict[str, object] = {}

    def seen(
        self, limits: DiskLimits | None, node: str, now: int, states: Mapping[str, ConditionState], *, again: bool
    ) -> list[Seen]:
        """Judge what has been looked at since the last round; with `again` also what is known from before.

        A condition that waits or fires has to be judged in each round, since time alone may change it.
        """
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
            yield from disk_rules.look(disk, self._past[disk.mountpoint], limits, node, firing)
        for trouble in troubles(samples):
            yield from disk_rules.look_at_trouble(trouble, node)
