import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from agent.channels.webhook import ADVISED_BYTES, Config, body, signature, signing_key, webhook_id
from agent.core.model import NotificationKind
from agent.core.payload import data, payload
from tests.channels.samples import FAILED, HOSTILE, NASTY, RESOLVED, channel, digest_message, message
from tests.support.clock import START, ManualClock
from tests.support.standin import Answer, StandIn

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + b64encode(bytes(range(32))).decode()
KEY = "0123456789abcdef-ops"
URL = "https://receiver.example/hook"


def delivered(what=None, *, times=1, clock=None, key=KEY, **table):
    with StandIn(Answer(202)) as receiver:
        made = channel({"type": "webhook", "url": receiver.url + "/hook", **table}, clock=clock)
        for _ in range(times):
            made.send(what or message(), key)
            if clock:
                clock.advance(60)
        return receiver.wait_for(times)


def config(**table):
    return Config.model_validate({"type": "webhook", "url": URL, **table})


def test_the_reference_vector():
    content = b'{"test": 2432232314}'
    signed = signature([signing_key(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, content)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_exact_request():
    (request,) = delivered(secret=SECRET, headers={"X-Team": "vision"})
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-team"] == "vision"
    assert request.headers["webhook-id"] == KEY
    assert request.headers["webhook-timestamp"] == str(START // 1000)
    assert request.headers["webhook-signature"].startswith("v1,")
    assert "x-hub-signature-256" not in request.headers
    assert json.loads(request.body) == {
        "type": "job_failed",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "data": {
            "id": "alert-1", "status": "event", "severity": "critical", "notification_reason": "first notification",
            "title": "Training failed", "message": "bert-large ran out of GPU memory at step 4200 of 5000.",
            "node": "node-1", "labels": {"node": "node-1", "job": "job-0123456789ab"}, "fingerprint": "f" * 32,
            "starts_at": "2026-09-21T14:13:20.000Z", "ends_at": None, "job": FAILED.job, "gpu": None, "disk": None,
            "evidence": list(FAILED.evidence), "advice": "Lower the batch size.",
            "links": [{"text": "Run page", "url": "https://runs.example/1?a=1&b=2"}], "test": False,
        },
    }  # fmt: skip


def test_a_resolved_condition():
    (request,) = delivered(message(RESOLVED, NotificationKind.RESOLVED, reason="resolved", now=START + 60_000))
    content = json.loads(request.body)
    assert (content["type"], content["timestamp"]) == ("disk_warning", "2026-09-21T14:14:20.000Z")
    assert content["data"]["status"] == "resolved"
    assert content["data"]["ends_at"] == "2026-09-21T14:14:20.000Z"
    assert content["data"]["id"] == "alert-1"


def test_a_receivers_library_accepts_what_was_sent():
    clock = ManualClock(wall=int(datetime.now(tz=UTC).timestamp() * 1000))
    (request,) = delivered(message(HOSTILE), secret=SECRET, clock=clock)
    assert Webhook(SECRET).verify(request.body, dict(request.headers))["type"] == "job_failed"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body + b" ", dict(request.headers))


@pytest.mark.parametrize("receiver", [SECRET, OTHER])
def test_while_a_secret_is_replaced_receivers_of_either_accept(receiver):
    clock = ManualClock(wall=int(datetime.now(tz=UTC).timestamp() * 1000))
    (request,) = delivered(secret=f"{OTHER} {SECRET}", clock=clock)
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert Webhook(receiver).verify(request.body, dict(request.headers))


def test_a_repeat_has_the_same_id_and_its_own_time():
    first, second = delivered(times=2, clock=ManualClock(), secret=SECRET)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 60
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_without_a_secret_nothing_is_signed():
    (request,) = delivered()
    assert request.headers["webhook-id"] == KEY
    assert "webhook-signature" not in request.headers


@pytest.mark.parametrize("secret", ["any text will do", SECRET])
def test_the_signature_that_github_receivers_know(secret):
    (request,) = delivered(secret=secret, github_signature=True)
    expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-hub-signature-256"] == f"sha256={expected}"
    assert ("webhook-signature" in request.headers) == secret.startswith("whsec_")


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2hunter2", "whsec_", "whsec_not base64!", "whsec_" + b64encode(b"x" * 23).decode(),
        "whsec_" + b64encode(b"x" * 65).decode(), SECRET.removeprefix("whsec_"), f"{SECRET} hunter2",
    ],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_with_the_way_to_make_one(secret):
    with pytest.raises(ValidationError, match="openssl rand -base64 32") as caught:
        config(secret=secret)
    assert secret.split()[-1].removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"


@pytest.mark.parametrize("length", [24, 32, 64])
def test_keys_of_the_allowed_lengths_are_taken(length):
    secret = "whsec_" + b64encode(b"k" * length).decode()
    assert signing_key(secret) == b"k" * length
    assert config(secret=secret)


def test_a_malformed_key_is_refused_beside_the_github_signature_too():
    with pytest.raises(ValidationError):
        config(secret="whsec_short", github_signature=True)


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-id": "1"}, {"Content-Length": "5"}, {"Host": "x"}, {"a b": "x"}, {"": "x"}, {"X": "a\r\nY: b"},
        {"X": "é"},
    ],
)
def test_headers_that_would_break_the_request_are_refused(headers):
    with pytest.raises(ValidationError):
        config(headers=headers)


@pytest.mark.parametrize(
    ("key", "plain"),
    [(KEY, True), ("a.b", False), ("a b", False), ("kanäl", False), ("x" * 200, False), ("a\nb", False)],
)
def test_an_id_holds_no_dot_and_is_always_the_same(key, plain):
    identity = webhook_id(key)
    assert (identity == key) is plain
    assert identity == webhook_id(key)
    assert identity.isascii()
    assert "." not in identity
    assert len(identity) <= 128


def test_a_large_body_loses_evidence_before_anything_else():
    lines = tuple("损" * 490 for _ in range(20))
    wide = {f"label{number}": "损" * 150 for number in range(32)}
    content = body(message(replace(FAILED, evidence=lines, labels=wide)))
    shown = json.loads(content)["data"]
    assert len(content) <= ADVISED_BYTES
    assert shown["title"] == "Training failed"
    assert shown["evidence"][0] == "… (3 lines cut)" or len("\n".join(shown["evidence"])) <= 500
    assert shown["labels"]["label0"] == "损" * 150


def test_the_largest_message_that_can_be_composed_fits():
    full = message(replace(HOSTILE, labels={f"label{number}": "损" * 500 for number in range(99)}))
    whole = payload(full.alert, kind=full.kind, reason="", sent_at=0)
    assert len(json.dumps(whole, ensure_ascii=False).encode()) > ADVISED_BYTES
    assert len(body(full)) < 64 * 1024


def test_a_digest_holds_its_alerts_and_how_many_more_there_are():
    assert json.loads(body(digest_message())) == {
        "type": "digest",
        "timestamp": "2026-09-21T15:13:20.000Z",
        "data": {
            "alerts": [data(alert, reason="digest") for alert in digest_message().members],
            "truncated": 0,
        },
    }


def test_a_large_digest_loses_details_and_then_counts_what_it_leaves_out():
    many = [replace(NASTY, id=f"alert-{n}", fingerprint=f"{n:032}") for n in range(30)]
    content = body(digest_message(*many))
    assert len(content) <= ADVISED_BYTES
    shown = json.loads(content)["data"]
    assert shown["alerts"]
    assert len(shown["alerts"]) + shown["truncated"] == 30


def test_the_preview_is_the_request_with_secrets_masked():
    made = channel({"type": "webhook", "url": URL, "secret": SECRET, "headers": {"X-Key": "s3cret"}})
    head, _, content = made.preview(message(), KEY).partition("\n\n")
    assert head.splitlines() == [
        "POST https://receiver.example/***", "Content-Type: application/json", "X-Key: ***", f"webhook-id: {KEY}",
        f"webhook-timestamp: {START // 1000}", "webhook-signature: ***",
    ]  # fmt: skip
    assert content.encode() == body(message())
