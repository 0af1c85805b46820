"""What the store knows, in the shapes that commands print and the API answers."""

import sqlite3
import threading
from datetime import UTC
from functools import partial

import pytest

from agent.core.facts import Progress
from agent.core.job import Job, JobState
from agent.core.model import AlertType, ChannelState, DeliveryState, Silence, Status
from agent.core.payload import rfc3339
from agent.core.policy.model import Recipient
from agent.core.ports import LogReading, Receipt
from agent.core.record import HistoryQuery
from agent.core.redact import Redactor
from agent.core.retry import UNTIL_CHANGED
from agent.runtime.board import LogSeen
from agent.runtime.records import Records
from agent.runtime.showing import Showing
from agent.store import alerts, jobs, ledger, outbox, silences
from agent.store.database import Database
from agent.store.errors import StoreError
from tests.support.clock import START, ManualClock
from tests.support.stored import SECOND, disk_alert, given_up, left_out, told, tried

MINUTE = 60 * SECOND
AT = START - 10 * MINUTE


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gpuwarden.db"


@pytest.fixture
def db(path):
    with Database.open(path, create=True) as database:
        yield database


@pytest.fixture
def records(db, path):
    showing = Showing("n1", (Recipient("ops", "slack"),), Redactor(["hunter2hunter2"]), UTC)
    return Records(partial(Database.open, path, readonly=True), ManualClock(), lambda: showing)


def test_history_is_the_contract_s_object(records, db):
    alert = disk_alert(AT)
    row = told(db, alert, AT + SECOND)
    tried(db, "ops", AT + 2 * SECOND, Receipt("m-7", 200))
    (found,) = records.history(HistoryQuery())
    assert found == {
        "type": "disk_warning", "created_at": rfc3339(AT + SECOND), "id": alert.id, "status": "firing",
        "severity": "warning", "notification_reason": "first notification", "title": "Disk 93 % full: /data",
        "message": "/data is 93 % full.", "node": "n1", "labels": {"node": "n1", "mountpoint": "/data"},
        "fingerprint": alert.fingerprint, "starts_at": rfc3339(AT), "ends_at": None, "job": None, "gpu": None,
        "disk": {"mountpoint": "/data", "used_percent": 93.0, "free_bytes": 1 << 30, "full_in_seconds": None},
        "evidence": [], "advice": None, "links": [], "test": False,
        "deliveries": [
            {"id": row.id, "channel": "ops", "channel_type": "slack", "notification": "fired", "state": "delivered",
             "reason": None, "attempts": 1, "last_error": None, "next_attempt_at": None,
             "delivered_at": rfc3339(AT + 2 * SECOND + 100), "provider_ref": "m-7"},
        ],
    }  # fmt: skip


def test_history_looks_as_far_back_as_asked_and_newest_first(records, db):
    for minutes in (5, 20, 40):
        told(db, disk_alert(START - minutes * MINUTE, mountpoint=f"/{minutes}", title=str(minutes)), START)
    found = records.history(HistoryQuery(since=30 * MINUTE))
    assert [item["title"] for item in found] == ["5", "20"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (HistoryQuery(type=AlertType.DISK_WARNING), 1),
        (HistoryQuery(type=AlertType.JOB_FAILED), 0),
        (HistoryQuery(channel="ops"), 1),
        (HistoryQuery(channel="pager"), 0),
        (HistoryQuery(job="job-1"), 0),
    ],
)
def test_history_filters(records, db, query, count):
    told(db, disk_alert(AT), AT)
    assert len(records.history(query)) == count


def test_what_is_shown_is_cleaned(records, db):
    told(db, disk_alert(AT, message="the password is hunter2hunter2\x1b[31m"), AT)
    (found,) = records.history(HistoryQuery())
    assert found["message"] == "the password is ***"


def test_an_explanation_holds_the_chain_and_its_story(records, db):
    alert = disk_alert(AT)
    row = told(db, alert, AT)
    left_out(db, alert, AT, "not_taken")
    tried(db, "ops", AT + SECOND, "connection refused")
    found = records.explain(alert.id)
    assert found["decisions"] == [
        {"at": rfc3339(AT), "channel": "ops", "notification": "fired", "stage": "outbox", "verdict": "send",
         "reason": "first notification", "until": None},
        {"at": rfc3339(AT), "channel": "pager", "notification": "fired", "stage": "taken", "verdict": "suppress",
         "reason": "not_taken", "until": None},
    ]  # fmt: skip
    assert found["attempts"] == [
        {"delivery": row.id, "n": 1, "started_at": rfc3339(AT + SECOND), "ended_at": rfc3339(AT + SECOND + 100),
         "outcome": "retry", "status": None, "error": "connection refused"},
    ]  # fmt: skip
    assert [item["state"] for item in found["deliveries"]] == ["queued", "suppressed"]
    assert found["story"][0] == "Disk 93 % full: /data (warning disk_warning)"


def test_a_unique_beginning_of_an_id_is_enough(records, db):
    alert = disk_alert(AT)
    told(db, alert, AT)
    assert records.explain(alert.id[:6])["id"] == alert.id
    assert records.explain(alert.id[:5]) is None, "too short"
    assert records.explain("nothing") is None


def test_a_beginning_that_two_ids_share_names_neither(records, db):
    first, second = disk_alert(AT), disk_alert(AT, mountpoint="/scratch")
    told(db, first, AT)
    told(db, second, AT)
    assert records.explain(first.id[:8]) is None
    assert records.explain(first.id)["id"] == first.id


def test_decisions_of_a_period_come_alert_by_alert(records, db):
    first, second = disk_alert(AT), disk_alert(AT, mountpoint="/scratch")
    told(db, first, AT)
    left_out(db, second, AT + SECOND, "not_taken")
    left_out(db, first, AT + MINUTE, "not_taken")
    found = records.between(AT, AT + MINUTE)
    by_id = {item["id"]: [made["reason"] for made in item["decisions"]] for item in found["alerts"]}
    assert by_id == {first.id: ["first notification"], second.id: ["not_taken"]}
    assert "deliveries" not in found["alerts"][0]
    assert (found["since"], found["until"]) == (rfc3339(AT), rfc3339(AT + MINUTE))
    assert "  2026-09-21 14:03:20  Disk 93 % full: /data: the alert is sent: first notification." in found["story"]


def test_a_period_tells_of_attempts_and_of_what_waited_and_fired(records, db):
    waits, fires = disk_alert(AT), disk_alert(AT, mountpoint="/scratch")
    told(db, waits, AT)
    told(db, fires, AT, channel="pager")
    tried(db, "ops", AT + SECOND, "connection refused")
    tried(db, "pager", AT + SECOND, Receipt())
    found = records.between(AT + SECOND, AT + MINUTE)
    tries = {item["id"]: [made["outcome"] for made in item["attempts"]] for item in found["alerts"]}
    assert tries == {waits.id: ["retry"], fires.id: ["delivered"]}
    assert [row["alert_id"] for row in found["waiting"]] == [waits.id]
    assert any("had fired since 2026-09-21 14:03:20" in line for line in found["story"])


def test_the_queue_holds_what_waits_and_what_is_dead(records, db):
    told(db, disk_alert(AT), AT)
    row = told(db, disk_alert(AT, mountpoint="/b"), AT, channel="pager")
    given_up(db, "pager", AT + SECOND, "rejected")
    waiting, dead = records.queue()
    assert (waiting["channel"], waiting["state"], waiting["next_attempt_at"]) == ("ops", "queued", rfc3339(AT))
    assert dead == {
        "id": row.id, "channel": "pager", "channel_type": "slack", "notification": "fired", "state": "dead",
        "reason": "rejected", "attempts": 1, "last_error": "HTTP 400", "next_attempt_at": None, "delivered_at": None,
        "provider_ref": None, "created_at": rfc3339(AT), "severity": "warning", "alert_id": row.alert_id,
        "type": "disk_warning", "title": "Disk 93 % full: /data",
    }  # fmt: skip


def test_silences_that_are_over_are_not_listed(records, db):
    for silence_id, ends_at in (("over", START), ("active", START + 1)):
        item = Silence(silence_id, AT, ends_at, "ada", "", None, {"a": "b"})
        db.write(partial(silences.add, silence=item))
    assert records.silences() == [
        {"id": "active", "starts_at": rfc3339(AT), "ends_at": rfc3339(START + 1), "active": True, "author": "ada",
         "comment": "", "alert_id": None, "match": {"a": "b"}},
    ]  # fmt: skip


def running_job(**changes):
    values = {"id": "job-1", "keys": ("k",), "name": "sft", "started_at": AT, "log": "/logs/a.log", "file": "1:2",
              "progress": Progress(10, 100, loss=float("nan")), "progress_at": START - MINUTE}  # fmt: skip
    return Job(**(values | changes))


def test_status_of_a_job_without_an_agent(records, db):
    db.write(lambda conn: jobs.save(conn, running_job()))
    (job,) = records.status({})["jobs"]
    assert job == {
        "id": "job-1", "name": "sft", "model": None, "state": "running", "attempt": 1, "started_at": rfc3339(AT),
        "step": 10, "total_steps": 100, "epoch": None, "loss": None, "progress_at": rfc3339(START - MINUTE),
        "progress_age_seconds": 60.0, "log": "/logs/a.log",
    }  # fmt: skip


def test_status_of_a_job_whose_log_shows_more(records, db):
    db.write(lambda conn: jobs.save(conn, running_job()))
    reading = LogReading("/logs/a.log", "1:2", 9, 9, Progress(42, 100, loss=0.5), START - SECOND)
    (job,) = records.status({"/logs/a.log": LogSeen(reading, 1.0)})["jobs"]
    assert (job["step"], job["loss"], job["progress_age_seconds"]) == (42, 0.5, 1.0)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (None, ("up", None)),
        (ChannelState("ops", last_success_at=AT), ("up", None)),
        (ChannelState("ops", failures=2, failing_since=AT), ("failing", None)),
        (ChannelState("ops", paused_until=START + MINUTE, reason="rate_limited"), ("paused", rfc3339(START + MINUTE))),
        (ChannelState("ops", paused_until=START, reason="rate_limited"), ("up", None)),
        (ChannelState("ops", paused_until=UNTIL_CHANGED, reason="gone", failing_since=AT), ("paused", None)),
    ],
)
def test_status_of_a_channel(records, db, state, expected):
    if state is not None:
        db.write(lambda conn: ledger.save_channel_state(conn, state))
    (channel,) = records.status({})["channels"]
    assert (channel["state"], channel["paused_until"]) == expected


def test_status_counts_what_waits_for_each_channel(records, db):
    told(db, disk_alert(AT), AT)
    told(db, disk_alert(AT, mountpoint="/b"), AT, channel="former")
    ops, former = records.status({})["channels"]
    assert (ops["queued"], ops["dead"], ops["oldest_seconds"]) == (1, 0, 600.0)
    assert (former["name"], former["type"], former["state"]) == ("former", None, "removed")


def test_status_lists_open_alerts_alone(records, db):
    told(db, disk_alert(AT), AT)
    told(db, disk_alert(AT, mountpoint="/b", status=Status.RESOLVED, ends_at=START), AT)
    found = records.status({})
    assert [(item["status"], item["notification_reason"]) for item in found["alerts"]] == [
        ("firing", "first notification")
    ]
    assert (found["running"], found["node"], found["silences"]) == (False, "n1", [])


def test_the_snapshot_of_the_metrics(records, db, path):
    told(db, disk_alert(AT), AT)
    db.write(lambda conn: jobs.save(conn, running_job()))
    db.write(lambda conn: jobs.save(conn, running_job(id="job-2", keys=("l",), state=JobState.FAILED, ended_at=AT)))
    db.write(lambda conn: ledger.save_channel_state(conn, ChannelState("ops", failures=1, failing_since=AT)))
    found = records.snapshot()
    assert found.jobs == {"running": 1, "failed": 1}
    assert [job.id for job in found.running] == ["job-1"]
    assert found.firing == {("disk_warning", "warning"): 1}
    assert found.queue == {("ops", "queued"): 1}
    assert found.oldest == {"ops": 600.0}
    assert (found.dead, found.down, found.database_bytes) == ({}, {"ops"}, path.stat().st_size)


def test_every_question_may_come_from_another_thread(records, db):
    told(db, disk_alert(AT), AT)
    found = []
    thread = threading.Thread(target=lambda: found.extend(records.history(HistoryQuery())))
    thread.start()
    thread.join()
    assert len(found) == 1


def test_a_store_that_is_gone_says_so(tmp_path):
    missing = Records(partial(Database.open, tmp_path / "no.db", readonly=True), ManualClock(), lambda: Showing("n1"))
    with pytest.raises(StoreError, match=r"no\.db"):
        missing.queue()


def test_reading_changes_nothing(records, db):
    told(db, disk_alert(AT), AT)
    before = db.data_version()
    records.history(HistoryQuery())
    records.status({})
    assert db.data_version() == before


def test_reading_cannot_write(path, db):
    with Database.open(path, readonly=True) as database, pytest.raises((StoreError, sqlite3.Error), match="readonly"):
        database.write(lambda conn: alerts.save(conn, disk_alert(AT)))


def test_deliveries_that_are_deferred_say_until_when(records, db):
    alert = disk_alert(AT)
    row = told(db, alert, AT)
    db.write(lambda conn: outbox.update_state(conn, row.id, DeliveryState.DEFERRED, "cooldown", START + MINUTE))
    (found,) = records.queue()
    assert (found["state"], found["reason"], found["next_attempt_at"]) == (
        "deferred", "cooldown", rfc3339(START + MINUTE)
    )  # fmt: skip
