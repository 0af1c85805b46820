"""What the database counts for a report, and that a period is claimed once."""

from dataclasses import replace

import pytest

from agent.core import report
from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.job import Job, JobState
from agent.core.model import AlertType, Decision, DeliveryState, NotificationKind, Severity, Status
from agent.core.periods import Period
from agent.core.report import AlertCount
from agent.core.report_channels import DeliveryCount
from agent.store import alerts, decisions, jobs, lives, outbox, reports
from agent.store.rows import dump
from tests.support.stored import delivery, disk_alert

START = 1_790_000_000_000 - 1_790_000_000_000 % DAY
PERIOD = Period("daily:2026-09-21", AlertType.DAILY_SUMMARY, START, START + DAY, START + DAY + 9 * HOUR)


@pytest.fixture
def found(conn):
    return lambda: reports.found(conn, PERIOD)


def test_a_period_is_claimed_once(conn):
    assert reports.claim(conn, PERIOD, PERIOD.due_at)
    assert not reports.claim(conn, PERIOD, PERIOD.due_at + MINUTE)
    assert reports.made(conn, "daily:") == {PERIOD.key}
    assert reports.made(conn, "weekly:") == set()


def test_jobs_belong_to_the_period_in_which_they_ended_or_still_ran(conn, found):
    ends = {"before": START - 1, "first": START, "last": START + DAY - 1, "later": START + DAY + HOUR, "never": None}
    for name, ended in ends.items():
        state = JobState.RUNNING if ended is None else JobState.COMPLETED
        jobs.save(conn, Job(name, (name,), name, START - HOUR, state=state, ended_at=ended))
    jobs.save(conn, Job("next", ("next",), "next", START + DAY))
    assert {job.id for job in found().jobs} == {"first", "last", "later", "never"}


def test_alerts_are_counted_by_type_severity_and_status(conn, found):
    for n in range(3):
        at = START + n * HOUR
        alerts.save(conn, disk_alert(at, status=Status.RESOLVED, ends_at=at + MINUTE))
    alerts.save(conn, disk_alert(START + 5 * HOUR, severity=Severity.CRITICAL, title="the latest"))
    alerts.save(conn, disk_alert(START - HOUR, mountpoint="/old"))
    alerts.save(conn, disk_alert(START + DAY, mountpoint="/new"))
    counted = found()
    assert set(counted.alerts) == {
        AlertCount(AlertType.DISK_WARNING, Severity.WARNING, Status.RESOLVED, 3),
        AlertCount(AlertType.DISK_WARNING, Severity.CRITICAL, Status.FIRING, 1),
    }
    assert [(times, alert.title) for times, alert in counted.noisy] == [(4, "the latest")]
    assert [alert.starts_at for alert in counted.firing] == [START - HOUR, START + 5 * HOUR]


def test_the_reports_themselves_are_no_alerts_to_report(conn, found):
    alerts.save(conn, replace(disk_alert(START), type=AlertType.DAILY_SUMMARY, status=Status.EVENT))
    assert found().alerts == []


def test_out_of_memory_alerts_come_newest_first(conn, found):
    for n, kind in enumerate((AlertType.GPU_OOM, AlertType.HOST_OOM, AlertType.GPU_OOM, AlertType.JOB_FAILED)):
        alerts.save(conn, disk_alert(START + n * HOUR, mountpoint=f"/{n}", type=kind, status=Status.EVENT))
    assert [alert.starts_at for alert in found().memory] == [START + 2 * HOUR, START + HOUR, START]


def test_deliveries_are_counted_by_state_and_code(conn, found):
    for n, (state, reason, attempts) in enumerate(
        [
            (DeliveryState.DELIVERED, None, 1),
            (DeliveryState.DELIVERED, None, 3),
            (DeliveryState.SUPPRESSED, "silenced_by:sil-1", 0),
            (DeliveryState.SUPPRESSED, "silenced_by:sil-2", 0),
        ]
    ):
        alert = disk_alert(START - HOUR, mountpoint=f"/{n}")
        alerts.save(conn, alert)
        outbox.insert(conn, delivery(alert, START + n, state=state, reason=reason, attempts=attempts))
    assert set(found().deliveries) == {
        DeliveryCount("ops", "slack", DeliveryState.DELIVERED, "", 2, 1),
        DeliveryCount("ops", "slack", DeliveryState.SUPPRESSED, "silenced_by", 2, 0),
    }


def test_what_was_held_counts_once_however_often_it_was_decided(conn, found):
    alert = disk_alert(START)
    alerts.save(conn, alert)
    held = [
        Decision(alert.id, START + n, "ops", kind, "quiet_hours", "defer", "quiet_hours")
        for n in range(3)
        for kind in (NotificationKind.FIRED, NotificationKind.RESOLVED)
    ]
    sent = Decision(alert.id, START, "ops", NotificationKind.FIRED, "outbox", "send", "first notification")
    decisions.record(conn, [*held, sent])
    assert found().held == [("ops", "quiet_hours", 2)]


def test_lives_of_the_period_come_with_the_one_before(conn, found):
    for began in (START - 2 * DAY, START - DAY, START + HOUR, START + 2 * DAY):
        lives.note(conn, began, began + MINUTE)
    assert [began for began, _ in found().lives] == [START - DAY, START + HOUR]


def test_a_month_with_a_thousand_jobs_is_a_small_report(conn):
    month = Period("month", AlertType.WEEKLY_DIGEST, START, START + 30 * DAY, START + 30 * DAY)
    for number in range(1_000):
        at, name = START + number * 30 * DAY // 1_000, f"finetune-llama-3-70b-run-{number:04d}"
        jobs.save(conn, Job(name, (name,), name, at, state=JobState.FAILED, reason="gpu_oom", ended_at=at + MINUTE))
        told = disk_alert(at, mountpoint=f"/data/{number % 40}", status=Status.EVENT, type=AlertType.GPU_OOM)
        alerts.save(conn, replace(told, job={"name": name, "error": "CUDA out of memory. " * 20}, advice="x" * 300))
        outbox.insert(conn, delivery(told, at, channel=f"channel-{number % 30}", state=DeliveryState.DEAD))
    made = report.build(month, reports.found(conn, month), node="n1", zone="UTC", made_at=month.due_at)
    assert (made["jobs"]["more"], made["alerts"]["total"], made["more"]["channels"]) == (980, 1_000, 14)
    assert len(dump(made)) <= report.LIMIT / 2
    assert "(cut)" not in str(made["jobs"])
