import json
from dataclasses import replace

import pytest

from agent.channels.feishu import CODES, signature
from agent.core.model import NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from tests.channels.adapters import FEISHU_PATH
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.clock import START, ManualClock
from tests.support.standin import Answer, StandIn

DONE = Answer(200, body=b'{"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}')


def posted(what=None, **table):
    with StandIn(DONE) as feishu:
        channel({"type": "feishu", "url": feishu.url + FEISHU_PATH, **table}).send(what or message(), "key")
        (request,) = feishu.wait_for(1)
    assert request.path == FEISHU_PATH
    return json.loads(request.body)


def refused(answer):
    with StandIn(answer) as feishu, pytest.raises(SendError) as caught:
        channel({"type": "feishu", "url": feishu.url + FEISHU_PATH}).send(message(), "key")
    return caught.value


def plain(text):
    return {"tag": "plain_text", "content": text}


def cell(label, value, *, short=True):
    return {"is_short": short, "text": plain(f"{label}\n{value}")}


def test_the_exact_message():
    assert posted() == {
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": True},
            "header": {"template": "red", "title": plain("❌ Training failed")},
            "elements": [
                {"tag": "div", "text": plain("bert-large ran out of GPU memory at step 4200 of 5000.")},
                {
                    "tag": "div",
                    "fields": [
                        cell("Model", "bert-large"),
                        cell("Duration", "2h 05m"),
                        cell("Final loss", "0.0213"),
                        cell("Steps", "4200/5000"),
                        cell("Node", "node-1"),
                        cell("GPUs", "0, 1"),
                        cell("Error", "torch.OutOfMemoryError: CUDA out of memory.", short=False),
                    ],
                },
                {"tag": "hr"},
                {
                    "tag": "div",
                    "text": plain(
                        "Traceback (most recent call last):\n"
                        "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost"
                    ),
                },
                {"tag": "div", "text": plain("Advice: Lower the batch size.")},
                {
                    "tag": "action",
                    "actions": [
                        {
                            "tag": "button",
                            "type": "default",
                            "text": plain("Run page"),
                            "url": "https://runs.example/1?a=1&b=2",
                        }
                    ],
                },
                {"tag": "note", "elements": [plain("job-0123456789ab · node-1")]},
            ],
        },
    }


def test_the_signature_is_that_of_the_documentation():
    """The vector is openssl's: `openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary < /dev/null | base64`."""
    assert signature("demo", 1_599_360_473) == "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="


def test_each_attempt_is_signed_in_its_own_second():
    clock = ManualClock()
    with StandIn(DONE) as feishu:
        made = channel({"type": "feishu", "url": feishu.url + FEISHU_PATH, "secret": "demo"}, clock=clock)
        made.send(message(), "key")
        clock.advance(2.0)
        made.send(message(), "key")
        first, second = (json.loads(request.body) for request in feishu.wait_for(2))
    assert first["timestamp"] == str(START // 1_000)
    assert second["timestamp"] == str(START // 1_000 + 2)
    assert second["sign"] == signature("demo", START // 1_000 + 2)


def test_a_log_can_mention_nobody():
    nasty = '<at id=all></at> <at user_id="all">x</at> **bold** [x](http://evil.example)'
    alert = replace(FAILED, title=nasty, message=nasty, evidence=(nasty,), advice=nasty, fields={nasty: nasty})
    assert '"lark_md"' not in json.dumps(posted(message(alert)))
    assert "<at" not in posted(message(alert, plain=True))["content"]["text"]


@pytest.mark.parametrize(
    ("alert", "colour"),
    [
        (FAILED, "red"),
        (replace(FAILED, severity=Severity.WARNING), "orange"),
        (replace(FAILED, severity=Severity.INFO), "blue"),
        (RESOLVED, "green"),
    ],
)
def test_the_header_has_the_colour_of_the_severity(alert, colour):
    assert posted(message(alert))["card"]["header"]["template"] == colour


def test_a_resolved_condition():
    shown = posted(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))["card"]
    assert shown["header"]["title"]["content"] == "✅ Resolved: Disk 92 % full: /data"
    assert shown["elements"][0]["text"]["content"] == "Fired 14:13, resolved 14:14 (after 1m 00s)."


def test_the_plain_fallback_is_a_text():
    shown = posted(message(plain=True))
    assert shown["msg_type"] == "text"
    assert shown["content"]["text"].startswith("❌ Training failed\nbert-large ran out of GPU memory")


def test_a_hostile_message_is_used_up_to_the_limit():
    assert 10_000 < len(json.dumps(posted(message(HOSTILE)), ensure_ascii=False).encode()) <= 20_000


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", CODES)
def test_feishus_number_counts_before_the_status(status, code):
    error = refused(Answer(status, body=json.dumps({"code": code, "msg": "no"}).encode()))
    assert (error.kind, error.reason) == (CODES[code].kind, CODES[code].reason)
    assert f'"code": {code}' in error.detail


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(200, body=b'{"code": 19021, "msg": "sign match fail"}'), SendErrorKind.MISCONFIGURED),
        (Answer(200, body=b'{"code": 11232, "msg": "frequency limited"}'), SendErrorKind.LIMITED),
        (Answer(200, body=b'{"code": 9499, "msg": "Bad Request"}'), SendErrorKind.REJECTED),
        (Answer(200, body=b'{"code": 77777, "msg": "who knows"}'), SendErrorKind.RETRY),
        (Answer(500, body=b'{"code": 0}'), SendErrorKind.RETRY),
        (Answer(200, body=b'{"msg": "ok"}'), SendErrorKind.MISCONFIGURED),
        (Answer(200, body=b"<html>Sign in</html>"), SendErrorKind.MISCONFIGURED),
    ],
)
def test_200_is_no_success_by_itself(answer, kind):
    assert refused(answer).kind is kind
