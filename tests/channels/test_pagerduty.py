import json
from dataclasses import replace

import pytest

from agent.channels.pagerduty import Config
from agent.core.model import NotificationKind, Severity, Status
from agent.core.ports import Probing, SendError, SendErrorKind
from tests.channels.samples import FAILED, RESOLVED, channel, message
from tests.support.clock import START
from tests.support.pagerduty import ROUTING_KEY, PagerDutyStandIn
from tests.support.standin import Answer

FIRING = replace(RESOLVED, status=Status.FIRING, ends_at=None)


@pytest.fixture
def pagerduty():
    with PagerDutyStandIn() as service:
        yield service


def sent(pagerduty, what=None, **table):
    receipt = channel(pagerduty.table(**table)).send(what or message(), "key")
    return receipt, json.loads(pagerduty.received[-1].body)


def refused(answer):
    with PagerDutyStandIn(answer) as pagerduty, pytest.raises(SendError) as caught:
        channel(pagerduty.table()).send(message(), "key")
    return caught.value


def test_the_exact_trigger(pagerduty):
    receipt, body = sent(pagerduty)
    assert (receipt.ref, receipt.status) == ("f" * 32, 202)
    assert body == {
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": "f" * 32,
        "payload": {
            "summary": "Training failed · bert-large ran out of GPU memory at step 4200 of 5000.",
            "source": "node-1",
            "severity": "critical",
            "timestamp": "2026-09-21T14:13:20.000Z",
            "group": "job-0123456789ab",
            "class": "job_failed",
            "custom_details": {
                "alert_id": "alert-1",
                "alert_type": "job_failed",
                "Model": "bert-large",
                "Duration": "2h 05m",
                "Final loss": "0.0213",
                "Steps": "4200/5000",
                "Node": "node-1",
                "GPUs": "0, 1",
                "Error": "torch.OutOfMemoryError: CUDA out of memory.",
                "log": "Traceback (most recent call last):\n"
                "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost",
                "advice": "Lower the batch size.",
                "footer": "job-0123456789ab · node-1",
            },
        },
        "client": "gpuwarden",
        "links": [{"href": "https://runs.example/1?a=1&b=2", "text": "Run page"}],
        "client_url": "https://runs.example/1?a=1&b=2",
    }


def test_one_incident_a_fingerprint_opened_and_resolved(pagerduty):
    sent(pagerduty, message(FIRING))
    sent(pagerduty, message(replace(FIRING, severity=Severity.CRITICAL), NotificationKind.ESCALATED))
    _, body = sent(pagerduty, message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))
    assert (body["event_action"], body["dedup_key"]) == ("resolve", "f" * 32)
    assert pagerduty.incidents == [["f" * 32, "resolved", "Disk 92 % full: /data"]]
    sent(pagerduty, message(replace(FIRING, id="alert-2")))
    assert [state for _, state, _ in pagerduty.incidents] == ["resolved", "open"]


def test_an_event_is_resolved_when_its_job_completes(pagerduty):
    sent(pagerduty)
    sent(pagerduty, message(replace(FAILED, ends_at=START + 5_000), NotificationKind.RESOLVED, now=START + 6_000))
    assert [state for _, state, _ in pagerduty.incidents] == ["resolved"]


@pytest.mark.parametrize(
    ("about", "component"),
    [({"gpu": {"index": 3, "uuid": "GPU-1"}}, "gpu3"), ({"disk": {"mountpoint": "/data"}}, "/data"), ({}, None)],
)
def test_the_component_is_the_part_that_suffers(pagerduty, about, component):
    _, body = sent(pagerduty, message(replace(FIRING, labels={}, **about)))
    assert body["payload"].get("component") == component


def test_the_plain_form_has_few_details(pagerduty):
    _, body = sent(pagerduty, message(plain=True))
    assert body["payload"]["custom_details"].keys() == {"alert_id", "alert_type", "text"}


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (Answer(400, body=b'{"status":"invalid event","errors":["Length of \'routing_key\' is incorrect"]}'),
         SendErrorKind.MISCONFIGURED, None),
        (Answer(400, body=b'{"status":"invalid event","errors":["custom_details is too long"]}'),
         SendErrorKind.REJECTED, None),
        (Answer(403), SendErrorKind.MISCONFIGURED, None),
        (Answer(429), SendErrorKind.LIMITED, 60.0),
        (Answer(200, body=b"<html>a proxy</html>"), SendErrorKind.MISCONFIGURED, None),
        (Answer(500), SendErrorKind.RETRY, None),
    ],
)  # fmt: skip
def test_answers_mean_what_pagerduty_says(answer, kind, wait):
    error = refused(answer)
    assert (error.kind, error.retry_after) == (kind, wait)


def test_information_pages_nobody_unless_asked_to():
    config = Config.model_validate({"type": "pagerduty", "routing_key": ROUTING_KEY})
    assert config.min_severity is Severity.WARNING
    assert config.address == "https://events.pagerduty.com"


def test_there_is_no_silent_test(pagerduty):
    assert not isinstance(channel(pagerduty.table()), Probing)
