"""Room on network and user-space file systems. Runs in a child process: each of them may hang whoever looks at it."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from agent.core.clock import Instant
from agent.core.model import Json, Sample
from agent.core.ports import Reading
from agent.sources.filesystem import failed, measure
from agent.sources.mounts import Mount


class Asked(Protocol):
    """What the parent wants, and how it is told which mount is looked at next."""

    @property
    def wishes(self) -> Mapping[str, Json]:
        """`mounts`: triples of device, mount point and type."""
        ...

    def note(self, text: str) -> None:
        """Name the mount that is about to be looked at."""
        ...


class RemoteFilesystems:
    """Implements `core.ports.Source`: measures the mounts that the parent asks for, one after the other."""

    name = "remote_disks"
    interval = 30.0

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Nothing is kept between two runs."""

    def read(self, now: Instant) -> Reading:  # noqa: ARG002 - readings carry no time of their own
        """Measure every mount that is asked for."""
        mounts = [Mount(*triple) for triple in self._asked.wishes.get("mounts") or ()]
        return Reading(samples=tuple(sample for mount in mounts for sample in self._measure(mount)))

    def close(self) -> None:
        """Nothing is held open."""

    def _measure(self, mount: Mount) -> Iterator[Sample]:
        self._asked.note(mount.mountpoint)
        try:
            yield from measure(mount)
        except OSError as error:
            yield from failed(mount, error)


def in_child(settings: Json, asked: Asked) -> RemoteFilesystems:  # noqa: ARG001 - every factory has one shape
    """Build the source in a child process."""
    return RemoteFilesystems(asked)
