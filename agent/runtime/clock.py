"""The real clock. Only `app` makes one; everybody else is handed it."""

import time

from agent.core.clock import Instant

NANOSECONDS_PER_MS = 1_000_000


class SystemClock:
    """Reads the machine's clocks: wall time in whole milliseconds, monotonic time in seconds."""

    def now(self) -> Instant:
        """Read both clocks at once."""
        return Instant(time.time_ns() // NANOSECONDS_PER_MS, time.monotonic())
