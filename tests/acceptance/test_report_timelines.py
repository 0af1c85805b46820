"""Timelines of scheduled reports: each period once, late after downtime, on days of 23 and 25 hours (R-12.3)."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.local_time import instant
from agent.core.model import AlertType, DeliveryState
from agent.core.periods import Schedule
from agent.core.policy.model import Recipient, Rules
from agent.core.policy.windows import QuietHours, Window
from agent.core.ports import SendError, SendErrorKind
from agent.runtime.reporter import Reporting
from tests.support.clock import ManualClock

BERLIN = ZoneInfo("Europe/Berlin")
DAILY, WEEKLY = AlertType.DAILY_SUMMARY, AlertType.WEEKLY_DIGEST
MAIL = Recipient("mail", "email")
RULES = Rules(reports={DAILY: frozenset({"mail"}), WEEKLY: frozenset({"mail"})})


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def reporting(nodes, clock):
    def make(start, *types, recipients=(MAIL,), rules=RULES):
        clock.jump((at(start) - clock.now().wall) / SECOND)
        schedules = tuple(Schedule(kind) for kind in types or (DAILY,))
        node = nodes(*recipients, rules=rules, reporting=Reporting("node-1", schedules, BERLIN))
        node.settle()
        return node

    return make


def at(text):
    return instant(datetime.fromisoformat(text).replace(tzinfo=BERLIN))


def reports(node, channel="mail"):
    return [(item.at, item.message.alert.labels["period"]) for item in node.channels[channel].sent]


def test_every_day_at_nine(reporting):
    node = reporting("2026-03-10T12:00")
    node.run_until(at("2026-03-13T12:00"))
    assert reports(node) == [
        (at("2026-03-11T09:00"), "daily:2026-03-10"),
        (at("2026-03-12T09:00"), "daily:2026-03-11"),
        (at("2026-03-13T09:00"), "daily:2026-03-12"),
    ]
    assert {str(item.message.kind) for item in node.channels["mail"].sent} == {"report"}


def test_days_and_weeks_over_a_change_of_clocks(reporting):
    node = reporting("2026-03-27T12:00", DAILY, WEEKLY)
    node.run_until(at("2026-03-30T12:00"))
    assert {period: when for when, period in reports(node)} == {
        "daily:2026-03-27": at("2026-03-28T09:00"),
        "daily:2026-03-28": at("2026-03-29T09:00"),
        "daily:2026-03-29": at("2026-03-30T09:00"),
        "weekly:2026-03-23": at("2026-03-30T09:00"),
    }
    short = next(i.message for i in node.channels["mail"].sent if "2026-03-29" in i.message.alert.labels["period"])
    assert dict(short.facts)["Period"] == "2026-03-29 00:00 to 2026-03-30 00:00 (Europe/Berlin, 23 h)"


def test_a_kill_at_any_instant_makes_no_second_one(reporting, clock):
    node = reporting("2026-03-10T12:00")
    node.run_until(at("2026-03-11T08:59:59"))
    for _ in range(5):
        node.restart()
        node.run(1)
    assert reports(node) == [(at("2026-03-11T09:00"), "daily:2026-03-10")]
    node.restart()
    node.run_until(at("2026-03-11T23:00"))
    assert len(reports(node)) == 1


@pytest.mark.parametrize(
    ("back", "made"),
    [
        ("2026-03-12T08:00", ["daily:2026-03-10"]),
        ("2026-03-12T20:59", ["daily:2026-03-10", "daily:2026-03-11"]),
        ("2026-03-12T21:01", ["daily:2026-03-11"]),
    ],
)
def test_after_downtime_what_is_not_too_late_is_made(reporting, clock, back, made):
    node = reporting("2026-03-09T12:00")
    node.run_until(at("2026-03-10T23:00"))
    before = len(reports(node))
    clock.advance((at(back) - clock.now().wall) / SECOND)
    node.restart()
    node.run(2)
    assert [period for _, period in reports(node)[before:]] == made
    late = node.channels["mail"].sent[before].message
    assert " late." in late.body
    assert "No agent ran for" in late.body


def test_the_first_start_reports_nothing_that_nobody_saw(reporting):
    node = reporting("2026-03-10T12:00", DAILY, WEEKLY)
    node.run(60)
    assert reports(node) == []


def test_a_report_is_given_up_after_two_days(reporting):
    node = reporting("2026-03-10T12:00")
    node.channels["mail"].fail = [SendError(SendErrorKind.RETRY, "down")] * 1_000
    node.run_until(at("2026-03-11T10:00"))
    (row,) = [item for item in node.deliveries() if item.snapshot.type is DAILY]
    node.run_until(row.created_at + 48 * HOUR - MINUTE)
    assert _state(node, row) is DeliveryState.QUEUED
    node.run_until(row.created_at + 50 * HOUR)
    assert _state(node, row) is DeliveryState.DEAD


def test_reports_go_to_their_takers_whatever_these_take_otherwise(reporting):
    strict = Recipient("mail", "email", min_severity=3, match={"team": "vision"})
    node = reporting("2026-03-10T12:00", recipients=(strict, Recipient("team", "slack")))
    node.run_until(at("2026-03-11T09:01"))
    assert len(reports(node)) == 1
    assert node.sent("team") == []


def test_a_report_that_is_due_in_quiet_hours_is_told_after_them_and_alone(reporting):
    night = Window("night", 22 * 60, 10 * 60, BERLIN)
    rules = replace(RULES, quiet_hours=QuietHours((night,)))
    node = reporting("2026-03-10T12:00", rules=rules)
    for hour in (2, 3):
        node.run_until(at(f"2026-03-11T0{hour}:00"))
        node.emit(AlertType.JOB_FAILED, job={"id": f"j{hour}"})
    node.run_until(at("2026-03-11T09:59"))
    assert reports(node) == []
    node.run_until(at("2026-03-11T10:01"))
    assert sorted(str(item.message.kind) for item in node.channels["mail"].sent) == ["digest", "report"]
    told = next(item.message for item in node.channels["mail"].sent if str(item.message.kind) == "report")
    assert dict(told.facts)["Period"].startswith("2026-03-10 00:00 to 2026-03-11 00:00")


def _state(node, row):
    return next(item.state for item in node.deliveries() if item.id == row.id)
