"""Rules about file systems: room, inodes, their trend, whether they can be written to, and whether they answer at all.

Readings in, what is observed of each condition out; measures nothing.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from agent.core import text
from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.conditions import MISSING, Observed, level
from agent.core.disk import DiskFault, DiskReading, DiskTrouble
from agent.core.disk_past import TREND_AT_LEAST, DiskPast, Room, follow, full_in
from agent.core.episodes import Condition, Seen
from agent.core.model import AlertType, Severity

DISK_SPACE = "disk_space"
INODES = "inodes"
FILLING = "disk_filling"
INODES_FILLING = "inodes_filling"
READ_ONLY = "disk_readonly"
IO_ERROR = "disk_io"
UNRESPONSIVE = "stat_timeout"

FORECASTS: tuple[tuple[Severity, float, float], ...] = (
    (Severity.CRITICAL, 4 * 3_600, 0.20),
    (Severity.WARNING, 24 * 3_600, 0.40),
)
"""Severity, seconds until full, and the share that is free at most (node_exporter's mixin)."""
FORECAST_FOR = HOUR
FAULT_LASTS = 30 * MINUTE
"""How long what the kernel wrote of a device counts; failing disks say it again and again."""
UNRESPONSIVE_AFTER = 15.0
"""Seconds without an answer: three tries of five."""


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """When to warn: percentages used, and how long a limit must be passed or left."""

    warn_percent: float = 90
    critical_percent: float = 97
    clear_margin: float = 3
    inodes: bool = True
    forecast: bool = True
    for_ms: int = MINUTE
    keep_firing_ms: int = 2 * MINUTE


Firing = Callable[[str], Severity | None]
"""At which severity the condition of a fingerprint fires now."""


def past(known: Mapping[str, DiskPast], disks: Iterable[DiskReading], now: int) -> dict[str, DiskPast]:
    """Take a look at every file system into its past, by mount point."""
    return dict(known) | {
        disk.mountpoint: follow(
            known.get(disk.mountpoint, DiskPast()), Room(now, disk.free_bytes, disk.files_free), readonly=disk.readonly
        )
        for disk in disks
    }


def look(
    disk: DiskReading, before: DiskPast, limits: DiskLimits, node: str, firing: Firing, fault: DiskFault | None = None
) -> Iterator[Seen]:
    """Judge one file system that was measured. `fault`: what the kernel wrote of its device lately."""
    writable = not disk.readonly
    if writable:  # what nobody can write to cannot fill up: it keeps the state it had
        yield _room(disk, DISK_SPACE, disk.used_percent, before, limits, node, firing)
        if limits.inodes and disk.inodes_used_percent is not None:
            yield _room(disk, INODES, disk.inodes_used_percent, before, limits, node, firing)
        if limits.forecast:
            yield from _forecasts(disk, before, limits, node)
    turned = (disk.readonly and before.was_writable) or (fault is not None and fault.read_only)
    message = f"{_named(disk)} was mounted read-only since it was first seen: nothing can be written to it any more."
    advice = "The kernel does this after errors: look into its log, and save what can be read."
    read_only = _condition(disk, READ_ONLY, f"Disk turned read-only: {disk.mountpoint}", message, node, advice)
    yield Seen(read_only, Severity.CRITICAL if turned else None)
    yield from _troubles(disk, DiskTrouble(disk.mountpoint, disk.device, disk.fstype), node, fault)


def look_at_trouble(trouble: DiskTrouble, node: str) -> Iterator[Seen]:
    """Judge one file system that could not be measured. Its other conditions keep the state they had."""
    yield from _troubles(trouble, trouble, node)


def forecast(disk: DiskReading, before: DiskPast) -> float | None:
    """Seconds until nobody can write to it any more, by its trend; None if it does not fill."""
    return None if disk.readonly else full_in(before.rooms, disk.free_bytes)


def _room(
    disk: DiskReading, rule: str, used: float, before: DiskPast, limits: DiskLimits, node: str, firing: Firing
) -> Seen:
    condition = describe(disk, rule, used, limits, node, forecast(disk, before) if limits.forecast else None)
    current = firing(condition.fingerprint)
    seen = level(used, limits.warn_percent, limits.critical_percent, limits.clear_margin, current)
    return Seen(condition, seen, keep_ms=limits.keep_firing_ms, for_ms=limits.for_ms)


def _forecasts(disk: DiskReading, before: DiskPast, limits: DiskLimits, node: str) -> Iterator[Seen]:
    free = 1 - disk.used_percent / 100
    yield _filling(disk, FILLING, full_in(before.rooms, disk.free_bytes), free, before, limits, node)
    if limits.inodes and disk.files:
        left = full_in(before.rooms, disk.files_free, inodes=True)
        yield _filling(disk, INODES_FILLING, left, disk.files_free / disk.files, before, limits, node)


def _filling(
    disk: DiskReading, rule: str, left: float | None, free: float, before: DiskPast, limits: DiskLimits, node: str
) -> Seen:
    what = "inodes" if rule == INODES_FILLING else "space"
    when = text.duration(1000 * left) if left is not None else ""
    message = f"{_named(disk)} has {free:.0%} of its {what} left; at the rate of the last hours it is full in {when}."
    title = f"Disk fills up: {disk.mountpoint}"
    condition = _condition(disk, rule, title, message, node, "Look for logs and checkpoints that nobody deletes.", left)
    worst = next((bad for bad, within, most in FORECASTS if left is not None and left <= within and free < most), None)
    unknown = left is None and not _long_enough(before)
    observed: Observed = MISSING if unknown else worst
    return Seen(condition, observed, keep_ms=limits.keep_firing_ms, for_ms=FORECAST_FOR)


def _long_enough(before: DiskPast) -> bool:
    return bool(before.rooms) and before.rooms[-1].at - before.rooms[0].at >= TREND_AT_LEAST


def _troubles(
    disk: DiskReading | DiskTrouble, trouble: DiskTrouble, node: str, fault: DiskFault | None = None
) -> Iterator[Seen]:
    silent = trouble.silent_for
    waited = text.duration(1000 * silent) if silent is not None else ""
    hangs = _condition(
        disk, UNRESPONSIVE, f"Mount does not answer: {disk.mountpoint}",
        f"{_named(disk)} has not answered for {waited}. Whatever reads or writes there hangs.", node,
        "Look at the server behind it and at the network; processes that wait there cannot be killed until it answers.",
    )  # fmt: skip
    yield Seen(hangs, Severity.WARNING if silent is not None and silent >= UNRESPONSIVE_AFTER else None)
    if silent is None:
        told = trouble.error is None and fault is not None and not fault.read_only
        words = f"has errors. The kernel said: {fault.text}" if fault and told else f"cannot be read: {trouble.error}."
        fails = _condition(
            disk, IO_ERROR, f"Disk error: {disk.mountpoint}", f"{_named(disk)} {words}", node,
            "Look into the kernel's log for the device; a stale network mount has to be mounted again.",
        )  # fmt: skip
        bad = told or trouble.error is not None
        yield Seen(fails, Severity.CRITICAL if bad else None, for_ms=0 if told else 10 * SECOND)


def describe(
    disk: DiskReading, rule: str, used: float, limits: DiskLimits, node: str, full: float | None = None
) -> Condition:
    """Say how one file system stands: the texts of its alert. `used` is the rule's percentage, `full` in seconds."""
    # Rounded down, so that no message claims a limit that is not yet reached.
    percent = f"{math.floor(used)} %"
    room = f"{text.size(disk.free_bytes)} of {text.size(disk.size_bytes)} free"
    passed = limits.critical_percent if used >= limits.critical_percent else limits.warn_percent
    title, subject = (
        (f"Disk {percent} full: {disk.mountpoint}", "used")
        if rule == DISK_SPACE
        else (f"Inodes {percent} used: {disk.mountpoint}", "of the inodes used")
    )
    soon = f" At the rate of the last hours it is full in {text.duration(1000 * full)}." if full is not None else ""
    message = f"{_named(disk)}: {percent} {subject}, {room}; the limit is {passed:g} %.{soon}"
    advice = None if rule == DISK_SPACE else "Many small files use up inodes; look for caches and old checkpoints."
    return _condition(disk, rule, title, message, node, advice, full)


def _condition(
    disk: DiskReading | DiskTrouble, rule: str, title: str, message: str, node: str, advice: str | None = None,
    full: float | None = None,
) -> Condition:  # fmt: skip
    return Condition(
        type=AlertType.DISK_WARNING,
        identity={"node_id": node, "mountpoint": disk.mountpoint, "rule": rule},
        title=title,
        message=message,
        disk=disk.shown(full),
        advice=advice,
    )


def _named(disk: DiskReading | DiskTrouble) -> str:
    return f"{disk.mountpoint} ({disk.fstype} on {disk.device})"
