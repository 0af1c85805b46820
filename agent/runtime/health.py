"""How one worker is: a value that its worker keeps up to date and everybody else reads from the board."""

from dataclasses import dataclass, replace
from typing import Self

from agent.core.clock import Instant

LEAST_DEADLINE = 10.0
"""Seconds that any step may take before it counts as stuck."""
DEADLINE_INTERVALS = 3
"""Intervals that a step may take before it counts as stuck."""


def deadline_for(interval: float) -> float:
    """Seconds after which a step of a worker with this interval counts as stuck."""
    return max(DEADLINE_INTERVALS * interval, LEAST_DEADLINE)


@dataclass(frozen=True, slots=True)
class Health:
    """One worker. `started` and `finished` are monotonic seconds of its latest step; a step runs while
    `started` is set and `finished` is not.
    """

    name: str
    interval: float
    """Seconds between two planned steps."""
    deadline: float
    """Seconds that a step may run before the worker counts as stuck."""
    source: bool = False
    """Whether it looks at the outside, and so has `collect_*` metrics."""
    started: float | None = None
    finished: float | None = None
    errors: int = 0
    """Failed steps in a row."""
    last_error: str | None = None
    last_success_at: int | None = None
    """When a step last ended well and found what it looks at, UTC milliseconds."""
    unavailable: str | None = None
    """Why there is nothing to look at, and what to do."""

    def began(self, now: Instant) -> Self:
        """A step begins."""
        return replace(self, started=now.monotonic, finished=None)

    def ended(self, now: Instant, error: str | None = None) -> Self:
        """A step ends, well or with an error."""
        if error is not None:
            return replace(self, finished=now.monotonic, errors=self.errors + 1, last_error=error)
        success = self.last_success_at if self.unavailable else now.wall
        return replace(self, finished=now.monotonic, errors=0, last_success_at=success)

    def running_for(self, now: Instant) -> float:
        """Seconds that the present step has taken; 0 between steps."""
        if self.started is None or self.finished is not None:
            return 0.0
        return now.monotonic - self.started

    def stuck(self, now: Instant) -> bool:
        """Whether the present step has outrun its deadline."""
        return self.running_for(now) > self.deadline

    @property
    def well(self) -> bool:
        """Whether the latest step succeeded."""
        return self.last_success_at is not None and not self.errors and self.unavailable is None
