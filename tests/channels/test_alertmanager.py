import json
from dataclasses import replace

import pytest

from agent.channels.alertmanager import BATCH
from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.model import NotificationKind, Severity, Status
from agent.core.payload import rfc3339
from agent.core.ports import Refreshing, SendError, SendErrorKind
from tests.channels.samples import RESOLVED, channel, message
from tests.support.alertmanager import AlertmanagerStandIn
from tests.support.clock import START
from tests.support.standin import Answer, Manner, refused_url

FIRING = replace(RESOLVED, status=Status.FIRING, ends_at=None)


@pytest.fixture
def alertmanager():
    with AlertmanagerStandIn() as one:
        yield one


def build(*servers, **table):
    urls = [getattr(server, "url", server) for server in servers]
    return channel({"type": "alertmanager", "urls": urls, **table})


def posted(server):
    return json.loads(server.received[-1].body)


def test_the_exact_request(alertmanager):
    receipt = build(alertmanager).send(message(), "key")
    assert (receipt.ref, receipt.status) == ("f" * 32, 200)
    assert alertmanager.received[0].path == "/api/v2/alerts"
    assert posted(alertmanager) == [
        {
            "labels": {
                "alertname": "job_failed", "severity": "critical", "node": "node-1",
                "training_job": "job-0123456789ab", "fingerprint": "f" * 32,
            },
            "annotations": {
                "summary": "Training failed",
                "description": "bert-large ran out of GPU memory at step 4200 of 5000.\nModel: bert-large\n"
                "Duration: 2h 05m\nFinal loss: 0.0213\nSteps: 4200/5000\nNode: node-1\nGPUs: 0, 1\n"
                "Error: torch.OutOfMemoryError: CUDA out of memory.\njob-0123456789ab · node-1",
                "log": "Traceback (most recent call last):\n"
                "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost",
                "advice": "Lower the batch size.",
                "alert_id": "alert-1",
            },
            "startsAt": "2026-09-21T14:13:20.000Z",
            "endsAt": "2026-09-21T14:17:21.000Z",
            "generatorURL": "https://runs.example/1?a=1&b=2",
        }
    ]  # fmt: skip


def test_labels_identify_and_hold_no_values(alertmanager):
    alert = replace(
        FIRING, labels={"mountpoint": "/data", "team-name": "vision", "job": "j"}, gpu={"index": 3, "uuid": "GPU-1"},
        disk={"mountpoint": "/data", "used_percent": 93.0},
    )  # fmt: skip
    build(alertmanager).send(message(alert), "key")
    (told,) = posted(alertmanager)
    assert told["labels"] == {
        "alertname": "disk_warning", "severity": "warning", "node": "node-1", "mountpoint": "/data",
        "team_name": "vision", "training_job": "j", "gpu": "3", "gpu_uuid": "GPU-1", "fingerprint": "f" * 32,
    }  # fmt: skip


def test_a_resolve_has_the_same_labels_and_its_real_end(alertmanager):
    made = build(alertmanager)
    made.send(message(FIRING), "key")
    made.send(message(RESOLVED, NotificationKind.RESOLVED, now=START + HOUR), "key-2")
    (alert,) = alertmanager.alerts.values()
    assert alert["endsAt"] == rfc3339(START + MINUTE)


def test_a_new_severity_ends_the_former_alert(alertmanager):
    made = build(alertmanager)
    made.send(message(FIRING), "key")
    made.send(message(replace(FIRING, severity=Severity.CRITICAL), NotificationKind.ESCALATED), "key-2")
    ends = {alert["labels"]["severity"]: alert["endsAt"] for alert in alertmanager.alerts.values()}
    assert ends["critical"] == rfc3339(START + 1_000 + 4 * MINUTE)
    assert ends["warning"] == ends["info"] == rfc3339(START)


def test_it_is_enough_that_one_instance_takes_an_alert(alertmanager):
    with AlertmanagerStandIn() as second:
        build(alertmanager, second).send(message(), "key")
        assert len(alertmanager.alerts) == len(second.alerts) == 1
    build(refused_url(), alertmanager).send(message(FIRING), "key")
    assert len(alertmanager.alerts) == 2


def test_an_instance_that_hangs_leaves_time_for_the_others(alertmanager):
    with AlertmanagerStandIn(Answer(200, manner=Manner.HANG)) as hung:
        build(hung, alertmanager, timeout=0.6).send(message(), "key")
    assert len(alertmanager.alerts) == 1


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [((400, 401), SendErrorKind.REJECTED), ((401, 503), SendErrorKind.RETRY), ((405,), SendErrorKind.MISCONFIGURED)],
)
def test_where_none_takes_it_the_one_that_may_yet_do_so_counts(statuses, kind):
    servers = [AlertmanagerStandIn(Answer(status)) for status in statuses]
    with pytest.raises(SendError) as caught:
        build(*servers).send(message(), "key")
    for server in servers:
        server.close()
    assert caught.value.kind is kind
    assert caught.value.detail.startswith("http://127.0.0.1:")


def many(count):
    return [message(replace(FIRING, fingerprint=f"{n:032}"), NotificationKind.REPEATED) for n in range(count)]


def test_reminders_go_out_in_batches_and_restore_what_a_restart_forgot(alertmanager):
    made = build(alertmanager)
    assert isinstance(made, Refreshing)
    made.refresh(many(BATCH + 1), START + 1_000)
    assert [len(json.loads(request.body)) for request in alertmanager.received] == [BATCH, 1]
    alertmanager.restart()
    made.refresh(many(2), START + 1_000)
    assert alertmanager.firing(rfc3339(START + 2_000)) == ["disk_warning"] * 2


def test_e29_one_bad_alert_of_a_batch_keeps_back_none_of_the_others(alertmanager):
    alertmanager.poison = "job_failed"
    batch = [*many(3), message(), *many(5)[3:]]
    made = build(alertmanager)
    made.refresh(batch, START + 1_000)
    assert alertmanager.firing(rfc3339(START + 2_000)) == ["disk_warning"] * 5
    with pytest.raises(SendError) as caught:
        made.send(message(), "key")
    assert caught.value.kind is SendErrorKind.REJECTED


def test_a_reminder_that_nobody_takes_is_told(alertmanager):
    with pytest.raises(SendError) as caught:
        build(refused_url()).refresh(many(1), START)
    assert caught.value.kind is SendErrorKind.RETRY


def test_a_one_shot_alert_ends_after_a_day(alertmanager):
    made = build(alertmanager)
    made.send(message(now=START + DAY - MINUTE), "key")
    assert posted(alertmanager)[0]["endsAt"] == rfc3339(START + DAY)
    count = len(alertmanager.received)
    made.refresh([message(now=START + DAY)], START + DAY)
    assert len(alertmanager.received) == count


def test_basic_and_bearer_login(alertmanager):
    build(alertmanager, username="me", password="pa55word").send(message(), "key")
    build(alertmanager, bearer_token="t0ken").send(message(), "key")
    told = [request.headers["authorization"] for request in alertmanager.received]
    assert told == ["Basic bWU6cGE1NXdvcmQ=", "Bearer t0ken"]


@pytest.mark.parametrize("half", [{"username": "me"}, {"username": "me", "password": "p", "bearer_token": "t"}])
def test_one_login_or_none(half):
    with pytest.raises(ValueError, match="found half a login or two"):
        build("https://am.example", **half)


def test_the_silent_test_counts_who_is_ready(alertmanager):
    assert build(alertmanager).probe() == "1 of 1 instance is ready"
    assert build(alertmanager, refused_url()).probe() == "1 of 2 instances are ready"
    assert [request.path for request in alertmanager.received[:2]] == ["/-/ready", "/api/v2/status"]
