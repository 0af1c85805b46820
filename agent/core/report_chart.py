"""The picture of a report: how many GPUs were held and used, hour by hour; without GPUs, how full the disks were."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from agent.core.chart import Chart, Series
from agent.core.clock import DAY, HOUR, SECOND
from agent.core.disk_past import Room
from agent.core.gpu_usage import Usage
from agent.core.model import Json

LEAST = 3
"""Hours that make a course."""
MOST_DISKS = 3
"""Courses that a small picture can show."""
IN_DAYS_FROM = 3 * DAY
"""A longer period is counted in days."""

Span = tuple[int, int]
"""When a period begins and ends, UTC milliseconds."""


def span(report: Mapping[str, Json]) -> Span:
    """The period of a report, as `core.report` builds it."""
    first, last = (datetime.fromisoformat(report[name]).timestamp() for name in ("starts_at", "ends_at"))
    return round(first * SECOND), round(last * SECOND)


def chart(
    period: Span, hours: Mapping[int, Usage], disks: Mapping[str, Sequence[tuple[float, Room]]]
) -> Chart | None:  # fmt: skip
    """Draw what is known of the period. `hours`: all GPUs together, by the beginning of the hour; `disks` by mount."""
    return _gpus(period, hours) or _disks(period, disks)


def _gpus(period: Span, hours: Mapping[int, Usage]) -> Chart | None:
    if len(hours) < LEAST:
        return None
    held = {at: _gpus_of(usage.held) for at, usage in hours.items()}
    used = {at: _gpus_of(usage.busy) for at, usage in hours.items() if usage.measured}
    series = (Series("held by jobs", tuple(_course(period, held))), Series("used", tuple(_course(period, used))))
    return Chart("GPUs held and used", _unit(period)[1], "GPUs", series, limit=_known(hours))


def _disks(period: Span, disks: Mapping[str, Sequence[tuple[float, Room]]]) -> Chart | None:
    fullest = sorted(disks.items(), key=lambda item: -item[1][-1][0])
    told = [(mount, {room.at: used for used, room in looks}) for mount, looks in fullest if len(looks) >= LEAST]
    series = tuple(Series(mount, tuple(_course(period, looks))) for mount, looks in told[:MOST_DISKS])
    return Chart("Room used on disks", _unit(period)[1], "%", series, limit=100.0) if series else None


def _gpus_of(seconds: float) -> float:
    """How many GPUs that were on average in an hour."""
    return seconds * SECOND / HOUR


def _known(hours: Mapping[int, Usage]) -> float:
    """How many GPUs were looked at, at most."""
    return max(1.0, float(round(max(_gpus_of(usage.seen) for usage in hours.values()))))


def _course(period: Span, values: Mapping[int, float]) -> Iterator[tuple[float, float]]:
    """A point for every hour; where nothing is known, a gap."""
    begin, end = period
    length, _ = _unit(period)
    for at in range(begin - begin % HOUR, end, HOUR):
        yield (max(0, at - begin) / length, values.get(at, math.nan))


def _unit(period: Span) -> tuple[int, str]:
    begin, end = period
    return (DAY, "days") if end - begin > IN_DAYS_FROM else (HOUR, "hours")
