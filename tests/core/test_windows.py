"""Windows of local time as intervals of UTC, in the nights in which clocks are set as well (7.3 of the reference)."""

import random
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.policy.windows import Window, around, occurrences, quiet, release, upcoming

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "America/Santiago", "Asia/Beirut", "Africa/Cairo",
    "Pacific/Apia", "Asia/Kathmandu", "UTC", "Africa/Casablanca", "Pacific/Chatham", "America/St_Johns",
)  # fmt: skip
PROPERTIES = 100_000
"""Random schedules and instants that are held against what defines them."""


def window(start, end, zone="Europe/Berlin", days=range(7), name="w"):
    def minutes(clock):
        hours, _, rest = clock.partition(":")
        return int(hours) * 60 + int(rest)

    return Window(name, minutes(start), minutes(end), ZoneInfo(zone), frozenset(days))


def at(text):
    """An instant, from ISO 8601 with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def night(of, day):
    """Quiet minutes of the night that starts on a local date."""
    first = date.fromisoformat(day)
    return sum(item.end - item.start for item in occurrences(of, first, first)) // MINUTE


@pytest.mark.parametrize(
    ("of", "day", "minutes"),
    [
        (window("22:00", "07:00"), "2026-03-28", 480),
        (window("22:00", "07:00"), "2026-10-24", 600),
        (window("22:00", "07:00"), "2026-06-10", 540),
        (window("22:00", "07:00", "Australia/Lord_Howe"), "2026-04-04", 570),
        (window("02:00", "03:00"), "2026-03-29", 0),
        (window("02:00", "03:00"), "2026-10-25", 120),
    ],
)
def test_the_nights_in_which_clocks_are_set(of, day, minutes):
    assert night(of, day) == minutes


@pytest.mark.parametrize(
    ("evening", "end"),
    [("2026-03-28T23:30+01:00", "2026-03-29T03:00+02:00"), ("2026-10-24T23:30+02:00", "2026-10-25T02:30+01:00")],
)
def test_a_window_that_ends_in_a_gap_or_a_fold(evening, end):
    assert release([window("23:00", "02:30")], at(evening)) == at(end)


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Africa/Cairo", "2026-04-24"), ("Asia/Beirut", "2026-03-29"), ("America/Santiago", "2026-09-06"),
     ("America/Havana", "2026-03-08")],
)  # fmt: skip
def test_a_midnight_that_does_not_exist_is_one_o_clock(zone, day):
    first = date.fromisoformat(day)
    (found,) = occurrences(window("00:00", "06:00", zone), first, first)
    began = datetime.fromtimestamp(found.start / 1000, ZoneInfo(zone))
    assert (began.hour, found.end - found.start) == (1, 5 * HOUR)


def test_a_day_that_does_not_exist():
    apia = window("08:00", "20:00", "Pacific/Apia")
    skipped = date(2011, 12, 30)
    assert list(occurrences(apia, skipped, skipped)) == []
    (before,) = occurrences(window("22:00", "06:00", "Pacific/Apia"), date(2011, 12, 29), date(2011, 12, 29))
    assert before.end == at("2011-12-31T00:00+14:00")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [("2026-06-13T03:00+02:00", True), ("2026-06-13T22:30+02:00", False), ("2026-06-12T03:00+02:00", False)],
)
def test_days_are_those_on_which_it_starts(moment, expected):
    assert quiet([window("22:00", "07:00", days=[4])], at(moment)) is expected


def test_the_minute_before_midnight_leaves_a_hole_and_24_00_does_not():
    last_minute = at("2026-06-10T23:59:30+02:00")
    assert not quiet([window("00:00", "23:59")], last_minute)
    assert quiet([window("00:00", "24:00")], last_minute)
    assert night(window("00:00", "24:00"), "2026-03-29") == 23 * 60


def test_two_windows_that_touch_are_left_once():
    both = [window("22:00", "00:00"), window("00:00", "07:00")]
    assert release(both, at("2026-06-10T23:00+02:00")) == at("2026-06-11T07:00+02:00")
    through_24 = [window("22:00", "24:00"), window("00:00", "07:00")]
    assert release(through_24, at("2026-06-10T22:00+02:00")) == at("2026-06-11T07:00+02:00")


def test_the_end_is_outside_and_the_start_inside():
    of = [window("22:00", "07:00")]
    assert quiet(of, at("2026-06-10T22:00+02:00"))
    assert not quiet(of, at("2026-06-11T07:00+02:00"))
    assert release(of, at("2026-06-11T07:00+02:00")) == at("2026-06-11T07:00+02:00")


def test_a_schedule_without_an_end_has_no_release():
    assert release([window("00:00", "24:00")], at("2026-06-10T12:00+02:00")) is None
    assert release([window("00:00", "12:00"), window("12:00", "24:00")], at("2026-06-10T12:00+02:00")) is None
    weekdays = [window("00:00", "24:00", days=range(5))]
    assert release(weekdays, at("2026-06-10T12:00+02:00")) == at("2026-06-13T00:00+02:00")


def test_the_next_night():
    of = window("22:00", "07:00", days=[4])
    found = upcoming(of, at("2026-06-10T12:00+02:00"))
    assert found == (at("2026-06-12T22:00+02:00"), at("2026-06-13T07:00+02:00"))
    assert upcoming(of, at("2026-06-13T06:59+02:00")) == found


def test_no_random_schedule_is_quiet_at_its_release_or_loud_before_it():
    """`release` is the first instant from which it is not quiet, and everything before it is."""
    chance = random.Random(7)
    zones = [ZoneInfo(name) for name in ZONES]
    base = at("2026-01-01T00:00+00:00")
    checked = 0
    while checked < PROPERTIES:
        zone = chance.choice(zones)
        minutes = [*range(0, 1440, 15), 150, 1439]
        schedule = []
        for _ in range(chance.randint(1, 2)):
            start, end = chance.choice(minutes), chance.choice([*minutes, 1440])
            days = frozenset(chance.sample(range(7), chance.randint(1, 7)))
            if start != end:
                schedule.append(Window("w", start, end, zone, days))
        for _ in range(5):
            moment = base + chance.randrange(365 * DAY)
            checked += _violations_at(schedule, moment, chance)


def _violations_at(schedule, moment, chance):
    until = release(schedule, moment)
    if until is None:
        return 1
    assert until >= moment
    nights = [item for of in schedule for item in around(of, until)]
    assert not any(item.start <= until < item.end for item in nights), (schedule, moment)
    if until == moment:
        return 1
    for probe in (moment, until - 1, chance.randrange(moment, until)):
        assert quiet(schedule, probe), (schedule, moment, probe)
    return 5


def test_an_hour_that_comes_twice_is_not_entered_twice():
    """The walk through an autumn night meets one end, where comparing clocks would meet two."""
    of, ends = [window("23:00", "02:30")], 0
    minute, before = at("2026-10-24T22:00+02:00"), False
    for _ in range(8 * 60):
        now = quiet(of, minute)
        ends += before and not now
        before, minute = now, minute + MINUTE
    assert ends == 1
