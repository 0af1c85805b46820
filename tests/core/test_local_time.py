"""Local times on the days that other systems trip over (section 7.3 of the reference)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import HOUR, MINUTE
from agent.core.local_time import instant, local, midnight, to_utc

BERLIN = ZoneInfo("Europe/Berlin")


def shown(at, zone):
    return local(at, zone).isoformat()


@pytest.mark.parametrize(
    ("zone", "day", "at", "last", "expected"),
    [
        ("Europe/Berlin", "2026-01-15", "09:00", False, "2026-01-15T09:00:00+01:00"),
        ("Europe/Berlin", "2026-03-29", "02:30", False, "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-03-29", "02:30", True, "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-03-29", "03:00", False, "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25", "02:30", False, "2026-10-25T02:30:00+02:00"),
        ("Europe/Berlin", "2026-10-25", "02:30", True, "2026-10-25T02:30:00+01:00"),
        ("Africa/Cairo", "2026-04-24", "00:00", False, "2026-04-24T01:00:00+03:00"),
        ("Asia/Beirut", "2026-03-29", "00:00", False, "2026-03-29T01:00:00+03:00"),
        ("America/Santiago", "2026-09-06", "00:00", False, "2026-09-06T01:00:00-03:00"),
        ("America/Havana", "2026-03-08", "00:00", False, "2026-03-08T01:00:00-04:00"),
        ("Pacific/Apia", "2011-12-30", "00:00", False, "2011-12-31T00:00:00+14:00"),
        ("Pacific/Apia", "2011-12-30", "23:59", False, "2011-12-31T00:00:00+14:00"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", False, "2026-10-04T02:30:00+11:00"),
    ],
)
def test_a_local_time_is_found(zone, day, at, last, expected):
    zone = ZoneInfo(zone)
    assert shown(to_utc(date.fromisoformat(day), time.fromisoformat(at), zone, last=last), zone) == expected


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_local_days_are_as_long_as_they_are(day, hours):
    day = date.fromisoformat(day)
    assert midnight(day + timedelta(days=1), BERLIN) - midnight(day, BERLIN) == hours * HOUR


def test_instants_and_local_times_lead_to_each_other():
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for minutes in range(180):
        at = instant(moment) + minutes * MINUTE
        assert instant(local(at, BERLIN)) == at
