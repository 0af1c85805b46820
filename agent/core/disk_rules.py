"""Rules about file systems: space and inodes. Readings in, conditions and their transitions out; measures nothing."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from agent.core import text
from agent.core.clock import MINUTE
from agent.core.conditions import ConditionState, Transition, level, step
from agent.core.episodes import Condition
from agent.core.model import AlertType, Sample

DISK_SPACE = "disk_space"
INODES = "inodes"

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


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """When to warn: percentages used, and how long a limit must be passed or left."""

    warn_percent: float = 90
    critical_percent: float = 97
    clear_margin: float = 3
    inodes: bool = True
    for_ms: int = MINUTE
    keep_firing_ms: int = 2 * MINUTE


def readings(samples: Iterable[Sample]) -> tuple[DiskReading, ...]:
    """Put the disk source's samples together, one reading a file system; incomplete ones are left out."""
    disks: dict[tuple[str, str, str], dict[str, float]] = {}
    for sample in samples:
        place = tuple(sample.labels.get(label, "") for label in ("mountpoint", "device", "fstype"))
        if sample.name.startswith(PREFIX) and place[0]:
            values = disks.setdefault((place[0], place[1], place[2]), {})
            values[sample.name.removeprefix(PREFIX)] = sample.value
    return tuple(_reading(*place, values) for place, values in disks.items() if values.keys() >= _SPACE)


def advance(
    states: Mapping[str, ConditionState], disks: Iterable[DiskReading], limits: DiskLimits, node: str, now: int
) -> tuple[dict[str, ConditionState], list[tuple[Condition, Transition]]]:
    """Step the conditions of every file system read, by fingerprint.

    A file system that is not among the readings keeps its state, however long it stays away.
    """
    after, changes = dict(states), []
    for disk in disks:
        for rule, used in _measures(disk, limits):
            condition = describe(disk, rule, used, limits, node)
            key = condition.fingerprint
            state = after.get(key, ConditionState())
            current = state.severity if state.firing else None
            seen = level(used, limits.warn_percent, limits.critical_percent, limits.clear_margin, current)
            after[key], transition = step(state, seen, now, limits.for_ms, limits.keep_firing_ms)
            if transition is not None:
                changes.append((condition, transition))
    return after, changes


def describe(disk: DiskReading, rule: str, used: float, limits: DiskLimits, node: str) -> Condition:
    """Say how one file system stands: the texts of its alert. `used` is the rule's percentage."""
    # Rounded down, so that no message claims a limit that is not yet reached.
    percent = f"{math.floor(used)} %"
    room = f"{text.size(disk.free_bytes)} of {text.size(disk.size_bytes)} free"
    passed = limits.critical_percent if used >= limits.critical_percent else limits.warn_percent
    title, subject = (
        (f"Disk {percent} full: {disk.mountpoint}", "used")
        if rule == DISK_SPACE
        else (f"Inodes {percent} used: {disk.mountpoint}", "of the inodes used")
    )
    return Condition(
        type=AlertType.DISK_WARNING,
        identity={"node_id": node, "mountpoint": disk.mountpoint, "rule": rule},
        title=title,
        message=f"{disk.mountpoint} ({disk.fstype} on {disk.device}): {percent} {subject}, {room}; "
        f"the limit is {passed:g} %.",
        disk={
            "mountpoint": disk.mountpoint, "used_percent": round(disk.used_percent, 1), "free_bytes": disk.free_bytes,
            "full_in_seconds": None,
        },
        advice=None if rule == DISK_SPACE else "Many small files use up inodes; look for caches and old checkpoints.",
    )


def _reading(mountpoint: str, device: str, fstype: str, values: Mapping[str, float]) -> DiskReading:
    used = values["size_bytes"] - values["free_bytes"]
    return DiskReading(
        mountpoint, device, fstype,
        used_percent=_percent(used, used + values["avail_bytes"]) or 0.0,
        free_bytes=int(values["avail_bytes"]),
        size_bytes=int(values["size_bytes"]),
        inodes_used_percent=_percent(values.get("files", 0) - values.get("files_free", 0), values.get("files", 0)),
        readonly=values.get("readonly", 0) > 0,
    )


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole > 0 else None


def _measures(disk: DiskReading, limits: DiskLimits) -> Iterator[tuple[str, float]]:
    """Yield the percentages to judge. What nobody can write to cannot fill up: it keeps the state it had."""
    if disk.readonly:
        return
    yield DISK_SPACE, disk.used_percent
    if limits.inodes and disk.inodes_used_percent is not None:
        yield INODES, disk.inodes_used_percent
