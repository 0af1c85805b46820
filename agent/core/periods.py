"""The periods that reports are about, and when each report falls due: by local days, counted as instants."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo

from agent.core.clock import HOUR
from agent.core.local_time import local, midnight, to_utc
from agent.core.model import AlertType

LATE_AT_MOST = 36 * HOUR
"""A report that nobody could make in time is made up to so much later (R-12.3)."""
NAMES = {AlertType.DAILY_SUMMARY: "daily", AlertType.WEEKLY_DIGEST: "weekly"}
"""How each report is called in keys and commands."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a report is made: daily at a local time, or weekly on a day of the week (0 is Monday)."""

    type: AlertType
    at: time = time(9)
    weekday: int = 0

    @property
    def days(self) -> int:
        """How many local days a report covers."""
        return 1 if self.type is AlertType.DAILY_SUMMARY else len(WEEKDAYS)


@dataclass(frozen=True, slots=True)
class Period:
    """What one report covers, from local midnight to local midnight. Times are UTC milliseconds."""

    key: str
    """Equal for the same days in whatever zone: `daily:2026-03-29`."""
    type: AlertType
    starts_at: int
    ends_at: int
    due_at: int


def ending(schedule: Schedule, day: date, zone: tzinfo) -> Period:
    """The period that ends at midnight before `day`, and is told on that day."""
    first = day - timedelta(days=schedule.days)
    return Period(
        key=f"{NAMES[schedule.type]}:{first}",
        type=schedule.type,
        starts_at=midnight(first, zone),
        ends_at=midnight(day, zone),
        due_at=to_utc(day, schedule.at, zone),
    )


def covering(schedule: Schedule, day: date, zone: tzinfo) -> Period:
    """The period that `day` lies in."""
    day += ONE_DAY
    while not _is_due_on(schedule, day):
        day += ONE_DAY
    return ending(schedule, day, zone)


def latest(schedule: Schedule, now: int, zone: tzinfo) -> Period:
    """The last period that is over at `now`, whether or not its report is due by then."""
    day = local(now, zone).date()
    while not _is_due_on(schedule, day):
        day -= ONE_DAY
    return ending(schedule, day, zone)


def due(schedule: Schedule, now: int, zone: tzinfo) -> list[Period]:
    """The periods whose report is due at `now`, and not too late, the oldest first."""
    return [item for item in _near(schedule, now, zone) if item.due_at <= now < item.due_at + LATE_AT_MOST]


def next_due(schedule: Schedule, now: int, zone: tzinfo) -> int:
    """When the next report falls due, UTC milliseconds."""
    return min(item.due_at for item in _near(schedule, now, zone) if item.due_at > now)


def _near(schedule: Schedule, now: int, zone: tzinfo) -> Iterator[Period]:
    """The periods that are told from three days ago to more than a week ahead."""
    today = local(now, zone).date()
    days = (today + timedelta(days=offset) for offset in range(-3, len(WEEKDAYS) + 3))
    return (ending(schedule, day, zone) for day in days if _is_due_on(schedule, day))


def _is_due_on(schedule: Schedule, day: date) -> bool:
    return schedule.type is AlertType.DAILY_SUMMARY or day.weekday() == schedule.weekday
