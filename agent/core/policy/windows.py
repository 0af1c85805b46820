"""When it is quiet: windows of local time as concrete intervals of UTC.

Comparing a clock on the wall with a start and an end goes wrong in the night in which clocks are set back: 02:10 comes
twice, once inside and once after the window. An interval between two instants is entered and left once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from agent.core.clock import DAY
from agent.core.local_time import local, to_utc
from agent.core.model import AlertType, Severity

WEEK = frozenset(range(7))
DAY_MINUTES = 24 * 60
ALWAYS = 8 * DAY
"""Who is quiet for longer than this has a schedule that never ends."""


class Occurrence(NamedTuple):
    """One night of a window: from `start` to before `end`, UTC milliseconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day or night. Times are minutes after local midnight; an `end` up to `start` is the next day's."""

    name: str
    start: int
    end: int
    zone: tzinfo
    days: frozenset[int] = WEEK
    """Weekdays on which it starts; Monday is 0."""
    channels: frozenset[str] | None = None
    alert_types: frozenset[AlertType] | None = None

    def covers(self, channel: str, alert_type: AlertType) -> bool:
        """Whether it holds such messages back."""
        here = self.channels is None or channel in self.channels
        return here and (self.alert_types is None or alert_type in self.alert_types)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The user's `[quiet_hours]`."""

    windows: tuple[Window, ...] = ()
    bypass: Severity | None = None
    """What is at least this grave is told all the same; None holds everything."""
    suppress: bool = False
    """Whether messages are left out instead of held."""

    def of(self, channel: str, alert_type: AlertType) -> tuple[Window, ...]:
        """The windows that hold alerts of a type back on a channel."""
        return tuple(window for window in self.windows if window.covers(channel, alert_type))


    def until(self, channel: str, at: int) -> int | None:
        """When a channel hears of everything again (UTC milliseconds); None if it does now, or never will."""
        ends = [release(self.of(channel, kind), at) or at for kind in AlertType]
        return max(ends) if max(ends) > at else None


def occurrences(window: Window, first: date, last: date) -> Iterator[Occurrence]:
    """The nights that start on local dates from `first` to `last`, without those that a change of clocks swallows."""
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        if day.weekday() not in window.days:
            continue
        end_day = day if window.end > window.start else day + timedelta(days=1)
        start = _instant(day, window.start, window.zone, last=False)
        end = _instant(end_day, window.end, window.zone, last=True)
        if start < end:
            yield Occurrence(start, end)


def around(window: Window, at: int) -> tuple[Occurrence, ...]:
    """The nights near an instant (UTC milliseconds): all that may contain it, and more."""
    return _near(window, local(at, window.zone).date())


@lru_cache(maxsize=128)  # every round of policy asks for the same few
def _near(window: Window, day: date) -> tuple[Occurrence, ...]:
    return tuple(occurrences(window, day - timedelta(days=2), day + timedelta(days=1)))


def quiet(windows: Iterable[Window], at: int) -> bool:
    """Whether an instant lies in a night of any window."""
    return any(night.start <= at < night.end for window in windows for night in around(window, at))


def release(windows: Sequence[Window], at: int) -> int | None:
    """When it is quiet no more, seen from `at`: that itself if it is not quiet; None if it is so for ever."""
    until = at
    while until - at <= ALWAYS:
        ends = [night.end for window in windows for night in around(window, until) if night.start <= until < night.end]
        if not ends:
            return until
        until = max(ends)
    return None


def upcoming(window: Window, at: int) -> Occurrence | None:
    """The night that goes on at an instant, or else the next one; None if there is none within eight days."""
    today = local(at, window.zone).date()
    nights = occurrences(window, today - timedelta(days=2), today + timedelta(days=8))
    return next((night for night in nights if night.end > at), None)


def _instant(day: date, minute: int, zone: tzinfo, *, last: bool) -> int:
    if minute == DAY_MINUTES:
        day, minute = day + timedelta(days=1), 0
    return to_utc(day, time(minute // 60, minute % 60), zone, last=last)
