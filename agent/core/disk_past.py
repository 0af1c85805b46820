"""What earlier looks at a file system add to the present one: its trend, and whether it could once be written to.

Kept in memory only: after a restart the trend is measured anew, which delays a forecast and never invents one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.core.clock import HOUR, MINUTE

TREND = 6 * HOUR
"""The time over which the trend is measured (node_exporter's mixin)."""
TREND_AT_LEAST = 2 * HOUR
"""A shorter past foretells nothing: one checkpoint would look like a full disk."""
POINT_EVERY = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class Room:
    """What was free at one moment: bytes and inodes. `at` is UTC milliseconds."""

    at: int
    avail: float
    files_free: float


@dataclass(frozen=True, slots=True)
class DiskPast:
    """One file system's past."""

    rooms: tuple[Room, ...] = ()
    was_writable: bool = False


def follow(past: DiskPast, room: Room, *, readonly: bool) -> DiskPast:
    """Take one look in. After the clock was set back, what lies ahead is dropped."""
    kept = [item for item in past.rooms if room.at - TREND <= item.at < room.at]
    if not kept or room.at - kept[-1].at >= POINT_EVERY:
        kept.append(room)
    return replace(past, rooms=tuple(kept), was_writable=past.was_writable or not readonly)


def full_in(rooms: Sequence[Room], free: float, *, inodes: bool = False) -> float | None:
    """Seconds until nothing is left, by the linear trend; None where it does not fall, or the past is too short.

    A file system that was emptier a while ago than it is now does not fall: saws, such as checkpoints that are written
    and deleted, have a trend only as far as they rise in all.
    """
    if len(rooms) < 2 or rooms[-1].at - rooms[0].at < TREND_AT_LEAST:  # noqa: PLR2004 - a line needs two points
        return None
    seconds = [(room.at - rooms[0].at) / 1000 for room in rooms]
    values = [room.files_free if inodes else room.avail for room in rooms]
    slope = _slope(seconds, values)
    half = len(values) // 2
    if slope >= 0 or min(values[half:]) >= min(values[:half]):
        return None
    return free / -slope


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The least-squares slope of a line through the points."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
