"""A job's course in few points: enough for a picture of any run, however long."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

CURVE_POINTS = 512
"""The most that is kept of one job."""


class Point(NamedTuple):
    """Where a job stood: step, UTC milliseconds, and what was then shown, if it was (a loss may be nan or inf)."""

    step: int
    at: int
    loss: float | None = None
    throughput: float | None = None
    """Steps a second."""


def thin(points: Sequence[Point], limit: int = CURVE_POINTS) -> tuple[Point, ...]:
    """Leave out points until `limit` (at least 2) remain, always the one whose neighbours are closest in time.

    The first and the last stay. Thinning what was thinned before keeps the curve even, so points may be added one
    by one. Points are in the order of time.
    """
    surplus = len(points) - limit
    if surplus <= 0:
        return tuple(points)
    before, after = list(range(-1, len(points) - 1)), list(range(1, len(points) + 1))
    gaps = [(points[i + 1].at - points[i - 1].at, i) for i in range(1, len(points) - 1)]
    heapify(gaps)
    dropped: set[int] = set()
    while surplus:
        gap, i = heappop(gaps)
        width = points[after[i]].at - points[before[i]].at
        if gap != width:  # a neighbour went since
            heappush(gaps, (width, i))
            continue
        dropped.add(i)
        after[before[i]], before[after[i]] = after[i], before[i]
        surplus -= 1
    return tuple(point for i, point in enumerate(points) if i not in dropped)
