"""Looks after the child that measures mounts which may hang: a mount that does not answer keeps no other waiting.

The child says which mount it is about to look at. If it hangs there, that mount is left out until it answers, and a
new child looks at the others; at most one stuck child a hung mount is left in the kernel.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from agent.core.clock import Clock, Instant
from agent.core.model import Json, Sample
from agent.core.ports import Reading, Unavailable
from agent.runtime.isolated import ChildHung, Isolated, Isolation
from agent.sources.filesystem import labels_of
from agent.sources.mounts import Mount

FACTORY = "agent.sources.remote_filesystems:in_child"
ANSWER_WITHIN = 5.0
"""Seconds that one look at all mounts may take; a look takes less than a millisecond where all is well."""
RETRY_AFTER = 30.0
"""Seconds before a mount that hung a child is looked at again, if that child could be ended."""
UNSURE_FOR = 20.0
"""Seconds during which a mount that hangs is watched closely, until it is called unresponsive."""


@dataclass(frozen=True, slots=True)
class _Hang:
    """A mount that does not answer. Times are monotonic seconds."""

    mount: Mount
    since: float
    retry_at: float
    stuck: int | None
    """The child that waits for it in the kernel and cannot be ended; its end means that the mount answers."""


class RemoteDisks:
    """Implements `core.ports.Source`. `mounts` gives those to be measured now."""

    name = "remote_disks"

    def __init__(self, mounts: Callable[[], Collection[Mount]], clock: Clock, interval: float) -> None:
        self.interval = interval
        self._choose = mounts
        self._asked: tuple[Mount, ...] = ()
        self._hangs: dict[str, _Hang] = {}
        isolation = Isolation(self.name, FACTORY, {}, interval, ANSWER_WITHIN, one_stuck=False)
        self._isolated = Isolated(isolation, clock, self._wishes)

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Nothing is kept between two runs."""

    def read(self, now: Instant) -> Reading:
        """Let the child look at every mount that does not hang. Raises Unavailable where there is none to look at."""
        chosen = {mount.mountpoint: mount for mount in self._choose()}
        self._hangs = {place: hang for place, hang in self._hangs.items() if place in chosen}
        if not chosen:
            raise Unavailable("no network or user-space file system is named in `paths` or holds a watched log")
        self._asked = tuple(mount for place, mount in chosen.items() if self._answers(place, now))
        samples = self._look(now) if self._asked else ()
        closely = any(now.monotonic - hang.since < UNSURE_FOR for hang in self._hangs.values())
        return Reading(samples=(*samples, *self._unresponsive(now)), again_in=ANSWER_WITHIN if closely else None)

    def close(self) -> None:
        """Let the child go."""
        self._isolated.close()

    def _wishes(self) -> Mapping[str, Json]:
        return {"mounts": [[mount.device, mount.mountpoint, mount.fstype] for mount in self._asked]}

    def _answers(self, place: str, now: Instant) -> bool:
        """Whether to look at a mount: always, unless it hung the child and nothing has changed since."""
        hang = self._hangs.get(place)
        if hang is None:
            return True
        if hang.stuck is not None:
            return hang.stuck not in self._isolated.left
        return now.monotonic >= hang.retry_at

    def _look(self, now: Instant) -> tuple[Sample, ...]:
        try:
            samples = self._isolated.read(now).samples
        except ChildHung as hung:
            self._hung(hung.note, now)
            return ()
        for mount in self._asked:
            self._hangs.pop(mount.mountpoint, None)
        return samples

    def _hung(self, place: str | None, now: Instant) -> None:
        """Leave out the mount at which the child hangs; without its name the first that was asked for."""
        mount = next((mount for mount in self._asked if mount.mountpoint == place), self._asked[0])
        left = self._isolated.left
        hang = _Hang(mount, now.monotonic, now.monotonic + RETRY_AFTER, left[-1] if left else None)
        before = self._hangs.get(mount.mountpoint)
        self._hangs[mount.mountpoint] = hang if before is None else replace(hang, since=before.since)

    def _unresponsive(self, now: Instant) -> tuple[Sample, ...]:
        return tuple(
            Sample("filesystem_unresponsive_seconds", now.monotonic - hang.since, labels_of(hang.mount))
            for hang in self._hangs.values()
        )
