"""Timelines of scheduled reports: each period once, late after downtime, on days of 23 and 25 hours (R-12.3)."""

from dataclasses import replace
from datetime import datetime
from math import isnan
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.gpu_usage import WHOLE, Usage, UsageKey
from agent.core.local_time import instant
from agent.core.model import AlertType, DeliveryState
from agent.core.periods import Schedule
from agent.core.policy.model import Recipient, Rules
from agent.core.policy.windows import QuietHours, Window
from agent.core.ports import SendError, SendErrorKind
from agent.runtime.reporter import Reporting
from agent.store import gpu_hours
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


def test_a_report_has_a_picture_of_its_period(reporting):
    node = reporting("2026-03-10T12:00")
    hours = {UsageKey(at("2026-03-10T12:00") + hour * HOUR, "GPU-1", WHOLE): Usage(3_600, 900) for hour in range(24)}
    node.database.write(lambda conn: gpu_hours.save(conn, hours))
    node.run_until(at("2026-03-11T12:00"))
    (sent,) = node.channels["mail"].sent
    (held, _) = sent.message.chart.series
    assert [(hour, gpus) for hour, gpus in held.points if not isnan(gpus)] == [(h, 0.25) for h in range(12, 24)]


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


@pytest.fixture
def morning_after(reporting):
    """A night in which three disks warned, and a channel that is down from six to eleven."""

    def make(at_eight):
        rules = replace(RULES, quiet_hours=QuietHours((Window("night", 22 * 60, 7 * 60, BERLIN),)))
        node = reporting("2026-03-10T21:00", rules=rules)
        node.run_until(at("2026-03-10T23:00"))
        for mount in "abc":
            node.emit(AlertType.DISK_WARNING, title=f"night {mount}", labels={"mount": mount})
        node.run_until(at("2026-03-11T06:00"))
        node.channels["mail"].fail = [SendError(SendErrorKind.RETRY, "down", reason="network")] * 1_000
        node.run_until(at("2026-03-11T08:00"))
        at_eight(node)
        node.run_until(at("2026-03-11T11:00"))
        node.channels["mail"].fail.clear()
        node.run_until(at("2026-03-11T13:00"))
        return [(str(item.message.kind), item.message.title, item.message.body) for item in node.channels["mail"].sent]

    return make


def warn(node, count):
    for number in range(count):
        node.emit(AlertType.DISK_WARNING, title=f"day {number}", labels={"mount": str(number)})


def told(sent, *kinds):
    """The messages of these kinds without times; when the channel is tried again is a matter of its backoff."""
    return [(kind, title, body.partition(" from ")[0]) for kind, title, body in sent if kind in kinds]


NIGHT = ("digest", "3 alerts from quiet hours", "Held for quiet hours")


def test_after_an_outage_the_night_the_day_and_a_report_are_a_message_each(morning_after):
    sent = morning_after(lambda node: warn(node, 4))
    assert sorted(kind for kind, _, _ in sent) == ["digest", "digest", "report"]
    assert told(sent, "digest") == [
        NIGHT, ("digest", "4 alerts that could not be delivered", "Delivery was impossible"),
    ]  # fmt: skip


def test_one_alert_beside_a_report_is_told_as_itself_after_an_outage(morning_after):
    sent = morning_after(lambda node: warn(node, 1))
    assert sorted(kind for kind, _, _ in sent) == ["digest", "fired", "report"]
    assert told(sent, "digest") == [NIGHT]


def test_a_digest_of_the_night_that_takes_up_an_outage_says_that_it_has_several_reasons(morning_after):
    """What is critical goes first and finds the channel mended while the digest of the night still waits."""

    def at_eight(node):
        node.emit(AlertType.JOB_FAILED, job={"id": "j"})
        warn(node, 2)

    sent = morning_after(at_eight)
    assert [kind for kind, _, _ in sent] == ["fired", "digest", "report"]
    (digest,) = told(sent, "digest")
    assert " from 2026-03-10 22:00 to 10:" in sent[1][2]  # UTC; until the channel worked again
    assert digest == ("digest", "5 alerts: Disk trouble", "Held back for several reasons")


def _state(node, row):
    return next(item.state for item in node.deliveries() if item.id == row.id)
