"""Points in time as people type them: `2h` (ago), `03:10` (last time it was), or a date and time."""

from datetime import UTC, datetime, time, timedelta, tzinfo

from agent.core.clock import SECOND
from agent.core.units import parse_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str, now: int, zone: tzinfo) -> int:
    """Read a point in time as UTC milliseconds; what names no zone is meant in `zone`. `now` likewise.

    Raises ValueError that says what was expected.
    """
    present = (_EPOCH + timedelta(milliseconds=now)).astimezone(zone)
    for read in (_ago, _time_of_day, _date):
        found = read(text, present)
        if found is not None:
            return round((found - _EPOCH) / timedelta(milliseconds=1))
    raise ValueError(
        f'{text!r} is no point in time: expected a duration such as "24h", a time of day such as "03:10", '
        'or a date and time such as "2026-03-28T02:14:00Z"'
    )


def _ago(text: str, present: datetime) -> datetime | None:
    try:
        return present.astimezone(UTC) - timedelta(milliseconds=parse_duration(text) * SECOND)
    except (ValueError, OverflowError):
        return None


def _time_of_day(text: str, present: datetime) -> datetime | None:
    try:
        wanted = time.fromisoformat(text) if ":" in text else None
    except ValueError:
        return None
    if wanted is None or wanted.tzinfo is not None:
        return None
    today = datetime.combine(present.date(), wanted, present.tzinfo)
    return today if today <= present else datetime.combine(present.date() - timedelta(days=1), wanted, present.tzinfo)


def _date(text: str, present: datetime) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=present.tzinfo)
