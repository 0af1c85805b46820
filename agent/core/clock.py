"""Time as a value. Nothing in `core/` reads a clock: an `Instant` is taken once a round and handed down."""

from dataclasses import dataclass
from typing import Protocol

SECOND = 1_000
"""Milliseconds in a second: all wall-clock times are UTC milliseconds since 1970."""
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EARLIEST = 20_454 * DAY
"""2026-01-01: older than every release, so a clock that shows less was never set."""


def unset(now: int) -> bool:
    """Whether this wall time (UTC milliseconds) cannot be: neither quiet hours nor ages mean anything then."""
    return now < EARLIEST


@dataclass(frozen=True, slots=True)
class Instant:
    """One reading of both clocks: `wall` in UTC milliseconds, `monotonic` in seconds of this process's life."""

    wall: int
    monotonic: float


class Clock(Protocol):
    """The only way to learn the time; tests drive one by hand."""

    def now(self) -> Instant:
        """Read both clocks at once."""
        ...
