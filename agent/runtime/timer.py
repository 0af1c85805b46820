"""A thing to be done every so many seconds by a loop that turns more often."""


class Timer:
    """`timer(now)` is true when it is due, at first at once; `now` in monotonic seconds."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due_at = float("-inf")

    def __call__(self, now: float) -> bool:
        """Whether the thing is due; if so, it counts as done."""
        if now < self._due_at:
            return False
        self._due_at = now + self._interval
        return True
