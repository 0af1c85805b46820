import json
from dataclasses import replace

import pytest

from agent.channels.ntfy import Config
from agent.core.model import Link, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.clock import START
from tests.support.standin import Answer, StandIn

SAVED = Answer(200, body=b'{"id": "hwQ2YpKdmg", "time": 1, "event": "message", "topic": "gpus"}')


def posted(what=None, **table):
    with StandIn(SAVED) as ntfy:
        channel({"type": "ntfy", "url": f"{ntfy.url}/gpus", **table}).send(what or message(), "key")
        return ntfy.wait_for(1)[0]


def published(what=None, **table):
    return json.loads(posted(what, **table).body)


def refused(answer):
    with StandIn(answer) as ntfy, pytest.raises(SendError) as caught:
        channel({"type": "ntfy", "url": f"{ntfy.url}/gpus"}).send(message(), "key")
    return caught.value


def test_the_exact_message():
    request = posted(token="tk_abc")
    assert (request.method, request.path) == ("POST", "/")
    assert request.headers["authorization"] == "Bearer tk_abc"
    assert json.loads(request.body) == {
        "topic": "gpus",
        "title": "❌ Training failed",
        "message": "bert-large ran out of GPU memory at step 4200 of 5000.\nModel: bert-large\nDuration: 2h 05m\n"
        "Final loss: 0.0213\nSteps: 4200/5000\nNode: node-1\nGPUs: 0, 1\n"
        "Error: torch.OutOfMemoryError: CUDA out of memory.\nTraceback (most recent call last):\n"
        "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost\nAdvice: Lower the batch size.\n"
        "job-0123456789ab · node-1",
        "priority": 5,
        "tags": ["job_failed"],
        "click": "https://runs.example/1?a=1&b=2",
        "actions": [{"action": "view", "label": "Run page", "url": "https://runs.example/1?a=1&b=2"}],
    }


def test_a_server_below_a_path():
    with StandIn(SAVED) as ntfy:
        channel({"type": "ntfy", "url": f"{ntfy.url}/push/gpus/"}).send(message(), "key")
        (request,) = ntfy.wait_for(1)
    assert request.path == "/push/"
    assert json.loads(request.body)["topic"] == "gpus"


def test_no_token_no_header():
    assert "authorization" not in posted().headers


@pytest.mark.parametrize(
    ("alert", "priority"),
    [
        (FAILED, 5),
        (replace(FAILED, severity=Severity.WARNING), 3),
        (replace(FAILED, severity=Severity.INFO), 2),
        (replace(RESOLVED, severity=Severity.CRITICAL), 2),
    ],
)
def test_the_priority_is_that_of_the_severity(alert, priority):
    assert published(message(alert))["priority"] == priority


def test_a_resolved_condition():
    shown = published(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))
    assert shown["title"] == "✅ Resolved: Disk 92 % full: /data"
    assert shown["message"] == "Fired 14:13, resolved 14:14 (after 1m 00s).\nNode: node-1\nalert-1 · node-1"
    assert "actions" not in shown


def test_the_plain_fallback_has_no_buttons():
    shown = published(message(plain=True))
    assert not {"click", "actions"} & shown.keys()
    assert "Run page: https://runs.example/1?a=1&b=2" in shown["message"]


def test_at_most_three_buttons_and_none_too_long():
    long = Link("long", "https://runs.example/" + "x" * 500)
    links = (long, *(Link("l" * 99, f"https://r.example/{name}") for name in "abcd"))
    shown = published(message(replace(FAILED, links=links)))
    assert [action["url"][-1] for action in shown["actions"]] == ["a", "b", "c"]
    assert shown["click"] == "https://r.example/a"


def test_what_json_makes_longer_still_fits():
    """ntfy reads twice the limit of a message for the whole body, escapes and all."""
    request = posted(message(replace(FAILED, message='"\\' * 999, evidence=('"\\' * 240,) * 20)))
    assert 1_500 < len(json.loads(request.body)["message"].encode()) <= 4_096
    assert len(request.body) <= 2 * 4_096


def test_a_hostile_message_is_used_up_to_the_limit():
    assert 2_000 < len(published(message(HOSTILE))["message"].encode()) <= 4_096


def test_the_id_is_the_reference():
    with StandIn(SAVED) as ntfy:
        assert channel({"type": "ntfy", "url": f"{ntfy.url}/gpus"}).send(message(), "key").ref == "hwQ2YpKdmg"


def answer(status, code, error):
    return Answer(status, body=json.dumps({"code": code, "http": status, "error": error}).encode())


@pytest.mark.parametrize(
    ("given", "kind", "reason", "wait"),
    [
        (answer(401, 40101, "unauthorized"), SendErrorKind.MISCONFIGURED, "auth_error", None),
        (answer(403, 40301, "forbidden"), SendErrorKind.MISCONFIGURED, "auth_error", None),
        (answer(400, 40009, "topic invalid"), SendErrorKind.MISCONFIGURED, "client_error", None),
        (answer(400, 40010, "topic name is not allowed"), SendErrorKind.MISCONFIGURED, "client_error", None),
        (answer(400, 40017, "invalid actions"), SendErrorKind.REJECTED, "client_error", None),
        (answer(413, 41303, "JSON body too large"), SendErrorKind.REJECTED, "client_error", None),
        (answer(429, 42901, "too many requests"), SendErrorKind.LIMITED, "rate_limited", None),
        (answer(429, 42908, "daily message quota reached"), SendErrorKind.LIMITED, "rate_limited", 3600.0),
        (answer(507, 50701, "insufficient storage"), SendErrorKind.RETRY, "server_error", None),
        (Answer(200, body=b"<html>Sign in</html>"), SendErrorKind.MISCONFIGURED, "other", None),
    ],
)
def test_answers_mean_what_ntfy_says(given, kind, reason, wait):
    error = refused(given)
    assert (error.kind, error.reason, error.retry_after) == (kind, reason, wait)


@pytest.mark.parametrize(
    "url", ["https://ntfy.sh", "https://ntfy.sh/", "https://ntfy.sh/a?b=c", "https://ntfy.sh/a%20b", "https://x.example/a.b"]
)
def test_a_url_without_a_topic_is_refused(url):
    with pytest.raises(ValueError, match=r"expected one such as https://ntfy\.sh/my-topic"):
        Config.model_validate({"type": "ntfy", "url": url})


def test_a_token_that_no_header_takes_is_refused():
    with pytest.raises(ValueError, match="expected an access token") as caught:
        Config.model_validate({"type": "ntfy", "url": "https://ntfy.sh/gpus", "token": "tk_x\r\nX: y"})
    assert "tk_x" not in str(caught.value)
