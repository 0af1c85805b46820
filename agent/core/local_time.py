"""Between UTC milliseconds and what a clock on the wall shows, on the days when it is set forward or back as well.

Two local times are never subtracted from each other: within one zone Python then counts what the clock shows and not
what has passed. Whoever wants a length of time takes it between two instants.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from agent.core.clock import SECOND

MIDNIGHT = time()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local(at: int, zone: tzinfo) -> datetime:
    """Show an instant (UTC milliseconds) as date and time of day in `zone`."""
    return (_EPOCH + timedelta(milliseconds=at)).astimezone(zone)


def instant(moment: datetime) -> int:
    """Read an aware date and time as UTC milliseconds."""
    return round((moment - _EPOCH) / timedelta(milliseconds=1))


def to_utc(day: date, at: time, zone: tzinfo, *, last: bool = False) -> int:
    """Find the instant (UTC milliseconds) at which clocks of `zone` show this date and time of day.

    Where they show it twice, since the clock is set back, that is the first time, or the `last`. Where they never do,
    since it is set forward, that is the end of the gap: the first instant after it.
    """
    earlier, later = (datetime.combine(day, at, zone).replace(fold=fold) for fold in (0, 1))
    if earlier.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == datetime.combine(day, at):
        return instant(later if last else earlier)
    return _gap_end(instant(later), instant(earlier), zone)


def midnight(day: date, zone: tzinfo) -> int:
    """When a local day begins; it is 23, 24 or 25 hours long, or another length in a few zones."""
    return to_utc(day, MIDNIGHT, zone)


def _gap_end(before: int, after: int, zone: tzinfo) -> int:
    """The instant at which the offset changes, between one before the change and one at or after it."""
    old = local(before, zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // (2 * SECOND) * SECOND
        if local(middle, zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
