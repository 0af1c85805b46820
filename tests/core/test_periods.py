"""Which days a report covers, and when it is due (R-12.3)."""

from datetime import date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import HOUR, MINUTE
from agent.core.local_time import instant, local
from agent.core.model import AlertType
from agent.core.periods import Schedule, covering, due, latest, next_due

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = Schedule(AlertType.DAILY_SUMMARY)
WEEKLY = Schedule(AlertType.WEEKLY_DIGEST)


def at(text, zone=BERLIN, fold=0):
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold))


def keys(schedule, text):
    return [period.key for period in due(schedule, at(text), BERLIN)]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_is_as_long_as_it_is(day, hours):
    period = covering(DAILY, date.fromisoformat(day), BERLIN)
    assert period.key == f"daily:{day}"
    assert (period.ends_at - period.starts_at) / HOUR == hours
    assert f"{local(period.starts_at, BERLIN):%Y-%m-%d %H:%M}" == f"{day} 00:00"


def test_a_week_with_a_change_of_clocks_ends_at_local_midnight():
    period = covering(WEEKLY, date(2026, 3, 29), BERLIN)
    assert (period.key, (period.ends_at - period.starts_at) / HOUR) == ("weekly:2026-03-23", 167)
    assert (period.ends_at, period.due_at) == (at("2026-03-30T00:00"), at("2026-03-30T09:00"))


def test_a_day_belongs_to_one_week():
    keys = {covering(WEEKLY, date(2026, 3, day), BERLIN).key for day in range(23, 30)}
    assert keys == {"weekly:2026-03-23"}
    assert covering(WEEKLY, date(2026, 3, 30), BERLIN).key == "weekly:2026-03-30"


def test_a_report_is_due_from_its_time_on_for_a_day_and_a_half():
    assert keys(DAILY, "2026-03-11T08:59:59") == ["daily:2026-03-09"]
    assert keys(DAILY, "2026-03-11T09:00") == ["daily:2026-03-09", "daily:2026-03-10"]
    assert keys(DAILY, "2026-03-11T21:00") == ["daily:2026-03-10"]
    assert keys(WEEKLY, "2026-03-31T20:59") == ["weekly:2026-03-23"]
    assert keys(WEEKLY, "2026-03-31T21:00") == []


def test_the_next_one_is_known():
    assert next_due(DAILY, at("2026-03-11T09:00"), BERLIN) == at("2026-03-12T09:00")
    assert next_due(WEEKLY, at("2026-03-30T09:00"), BERLIN) == at("2026-04-06T09:00")


def test_the_latest_is_over_even_if_not_yet_due():
    assert latest(DAILY, at("2026-03-11T00:00"), BERLIN).key == "daily:2026-03-10"
    assert latest(WEEKLY, at("2026-03-29T23:59"), BERLIN).key == "weekly:2026-03-16"


@pytest.mark.parametrize(
    ("of_day", "day", "expected"),
    [("02:30", "2026-03-29", "2026-03-29T03:00"), ("02:30", "2026-10-25", "2026-10-25T02:30")],
)
def test_a_time_in_a_gap_is_its_end_and_a_double_one_the_first(of_day, day, expected):
    schedule = Schedule(AlertType.DAILY_SUMMARY, time.fromisoformat(of_day))
    assert next_due(schedule, at(f"{day}T00:00"), BERLIN) == at(expected)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Africa/Cairo", "Pacific/Apia", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("of_day", ["00:00", "02:30", "23:59"])
def test_over_weeks_of_changing_clocks_every_day_is_due_once(zone, of_day):
    zone, schedule = ZoneInfo(zone), Schedule(AlertType.DAILY_SUMMARY, time.fromisoformat(of_day))
    now, made, ends = at("2026-03-22T00:00", zone), [], []
    for _ in range(40):
        now = next_due(schedule, now, zone)
        period = due(schedule, now, zone)[-1]
        made.append(period.key)
        ends.append((period.starts_at, period.ends_at))
        assert due(schedule, now - MINUTE, zone)[-1:] != [period]
    assert len(set(made)) == 40
    assert all(before[1] == after[0] for before, after in pairwise(ends))
