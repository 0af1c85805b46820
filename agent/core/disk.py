"""File systems as the sources' samples show them: what was measured, and what could not be. Judges nothing."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.core.model import Json, Sample

PREFIX = "filesystem_"
_SPACE = frozenset({"size_bytes", "free_bytes", "avail_bytes"})
"""The samples, without prefix, that a reading cannot do without."""


@dataclass(frozen=True, slots=True)
class DiskReading:
    """One file system at one moment. Percentages are of what users may use, as `df` counts."""

    mountpoint: str
    device: str
    fstype: str
    used_percent: float
    free_bytes: int
    """What an ordinary user may still write; the part reserved for root is not in it."""
    size_bytes: int
    inodes_used_percent: float | None
    """None where the file system makes inodes as it needs them."""
    readonly: bool
    files: int = 0
    files_free: int = 0

    def shown(self, full_in: float | None = None) -> Mapping[str, Json]:
        """What an alert tells of it. `full_in`: seconds until it is full, if that is foreseen."""
        return {
            "mountpoint": self.mountpoint,
            "used_percent": round(self.used_percent, 1),
            "free_bytes": self.free_bytes,
            "full_in_seconds": None if full_in is None else round(full_in),
        }


@dataclass(frozen=True, slots=True)
class DiskTrouble:
    """A file system that could not be measured: it does not answer, or answers with an error."""

    mountpoint: str
    device: str
    fstype: str
    silent_for: float | None = None
    """Seconds that a look at it has not returned."""
    error: str | None = None

    def shown(self, full_in: float | None = None) -> Mapping[str, Json]:  # noqa: ARG002 - nothing is foreseen of it
        """What an alert tells of it."""
        return {"mountpoint": self.mountpoint, "used_percent": None, "free_bytes": None, "full_in_seconds": None}


@dataclass(frozen=True, slots=True)
class DiskFault:
    """What the kernel last wrote of a device that failed. `at`: UTC milliseconds."""

    device: str
    """Without `/dev/`: a partition, a whole disk or its controller."""
    text: str
    at: int
    read_only: bool = False
    """Whether it says that the file system can only be read any more."""
    affected: tuple[str, ...] = ()
    """The devices that lose data with it, such as the volumes on it."""

    def concerns(self, mounted: str) -> bool:
        """Whether a mounted device, such as `/dev/nvme0n1p2`, is this one, a part of it, or stands on it."""
        name = mounted.removeprefix("/dev/")
        return name in self.affected or part_of(name, self.device)


def part_of(name: str, device: str) -> bool:
    """Whether a block device is that `device` (a partition, a disk or its controller) or a part of it."""
    # Parts of what ends in a digit are told by a letter: `nvme0` has `nvme0n1p2`, and `sda1` has no `sda12`.
    part = r"(?:n\d+)?(?:p\d+)?" if device[-1:].isdigit() else r"\d*"
    return re.fullmatch(re.escape(device) + part, name) is not None


def readings(samples: Iterable[Sample]) -> tuple[DiskReading, ...]:
    """Put the disk sources' samples together, one reading a file system; incomplete ones are left out."""
    return tuple(_reading(*place, values) for place, values in _places(samples) if values.keys() >= _SPACE)


def troubles(samples: Iterable[Sample]) -> tuple[DiskTrouble, ...]:
    """The file systems that the samples say could not be measured."""
    found = []
    for sample in samples:
        mountpoint, device, fstype = _place(sample)
        if sample.name == "filesystem_unresponsive_seconds":
            found.append(DiskTrouble(mountpoint, device, fstype, silent_for=sample.value))
        elif sample.name == "filesystem_device_error" and sample.value:
            found.append(DiskTrouble(mountpoint, device, fstype, error=sample.labels.get("error", "")))
    return tuple(found)


def _places(samples: Iterable[Sample]) -> Iterable[tuple[tuple[str, str, str], dict[str, float]]]:
    disks: dict[tuple[str, str, str], dict[str, float]] = {}
    for sample in samples:
        place = _place(sample)
        if sample.name.startswith(PREFIX) and place[0]:
            disks.setdefault(place, {})[sample.name.removeprefix(PREFIX)] = sample.value
    return disks.items()


def _place(sample: Sample) -> tuple[str, str, str]:
    return sample.labels.get("mountpoint", ""), sample.labels.get("device", ""), sample.labels.get("fstype", "")


def _reading(mountpoint: str, device: str, fstype: str, values: Mapping[str, float]) -> DiskReading:
    used = values["size_bytes"] - values["free_bytes"]
    files, files_free = values.get("files", 0), values.get("files_free", 0)
    return DiskReading(
        mountpoint, device, fstype,
        used_percent=_percent(used, used + values["avail_bytes"]) or 0.0,
        free_bytes=int(values["avail_bytes"]),
        size_bytes=int(values["size_bytes"]),
        inodes_used_percent=_percent(files - files_free, files),
        readonly=values.get("readonly", 0) > 0,
        files=int(files),
        files_free=int(files_free),
    )  # fmt: skip


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole > 0 else None
