import json
from dataclasses import replace

import pytest

from agent.channels.wecom import CODES, escape
from agent.core.model import Link, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from tests.channels.adapters import WECOM_KEY
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.clock import START
from tests.support.standin import Answer, StandIn

DONE = Answer(200, body=b'{"errcode": 0, "errmsg": "ok"}')
PATH = f"/cgi-bin/webhook/send?key={WECOM_KEY}"


def posted(what=None, **table):
    with StandIn(DONE) as wecom:
        channel({"type": "wecom", "url": wecom.url + PATH, **table}).send(what or message(), "key")
        (request,) = wecom.wait_for(1)
    assert request.path == PATH
    return json.loads(request.body)


def content(what=None, **table):
    return posted(what, **table)["markdown"]["content"]


def refused(answer):
    with StandIn(answer) as wecom, pytest.raises(SendError) as caught:
        channel({"type": "wecom", "url": wecom.url + PATH}).send(message(), "key")
    return caught.value


def test_the_exact_message():
    assert posted() == {
        "msgtype": "markdown",
        "markdown": {
            "content": '**<font color="warning">❌ Training failed</font>**\n'
            "bert-large ran out of GPU memory at step 4200 of 5000.\n"
            "**Model:** bert-large\n**Duration:** 2h 05m\n**Final loss:** 0.0213\n**Steps:** 4200/5000\n"
            "**Node:** node-1\n**GPUs:** 0, 1\n**Error:** torch.OutOfMemoryError: CUDA out of memory.\n"
            "> Traceback (most recent call last):\n"
            "> torch.OutOfMemoryError: CUDA out of memory. Got \u203920 GiB\u203a & lost\n\n"
            "**Advice:** Lower the batch size.\n"
            "[Run page](https://runs.example/1?a=1&b=2)\n"
            "job-0123456789ab · node-1"
        },
    }


@pytest.mark.parametrize(
    ("alert", "colour"),
    [
        (FAILED, "warning"),
        (replace(FAILED, severity=Severity.WARNING), "warning"),
        (replace(FAILED, severity=Severity.INFO), "comment"),
        (RESOLVED, "info"),
    ],
)
def test_the_title_has_the_colour_of_the_severity(alert, colour):
    assert content(message(alert)).startswith(f'**<font color="{colour}">')


def test_a_resolved_condition():
    shown = content(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))
    assert "✅ Resolved: Disk 92 % full: /data</font>**\nFired 14:13, resolved 14:14 (after 1m 00s).\n" in shown


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("<@zhangsan> <font>x</font>", "\u2039@zhangsan\u203a \u2039font\u203ax\u2039/font\u203a"),
        ("**b** `c` [x](http://evil.example)", "\u2217\u2217b\u2217\u2217 'c' [x] (http://evil.example)"),
        ("# heading #1", "\uff03 heading #1"),
    ],
)
def test_nothing_in_a_log_is_markup(text, harmless):
    assert escape(text) == harmless


def test_links_cannot_break_out():
    alert = replace(FAILED, links=(Link("Logs](x)", "https://logs.example/a(b)"),))
    assert "[Logs] (x)](https://logs.example/a%28b%29)" in content(message(alert))


def test_the_plain_fallback_is_a_text_without_mentions():
    shown = posted(message(replace(FAILED, evidence=("<@all>",)), plain=True))
    assert "\u2039@all\u203a" in shown["text"]["content"]
    assert "mentioned_list" not in shown["text"]


def test_the_limits_are_bytes():
    """Chinese takes three bytes a character: 4,096 characters would be three times too long."""
    alert = replace(FAILED, message="显存不足" * 400, evidence=tuple("损失发散" * 30 for _ in range(20)))
    shown = content(message(alert))
    assert 3_000 < len(shown.encode()) <= 4_096
    assert "lines cut)" in shown
    text = posted(message(alert, plain=True))["text"]["content"]
    assert len(text.encode()) <= 2_048
    assert "Training failed" in text


def test_a_hostile_message_is_used_up_to_the_limit():
    assert 2_000 < len(content(message(HOSTILE)).encode()) <= 4_096


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", CODES)
def test_wecoms_number_counts_before_the_status(status, code):
    error = refused(Answer(status, body=json.dumps({"errcode": code, "errmsg": "no"}).encode()))
    assert (error.kind, error.reason, error.retry_after) == (CODES[code].kind, CODES[code].reason, CODES[code].wait)


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (Answer(200, body=b'{"errcode": 93000, "errmsg": "invalid webhook url"}'), SendErrorKind.MISCONFIGURED, None),
        (Answer(200, body=b'{"errcode": 45009, "errmsg": "api freq out of limit"}'), SendErrorKind.LIMITED, 60.0),
        (Answer(200, body=b'{"errcode": 40058, "errmsg": "exceed max length"}'), SendErrorKind.REJECTED, None),
        (Answer(200, body=b'{"errcode": 77777, "errmsg": "who knows"}'), SendErrorKind.RETRY, None),
        (Answer(200, body=b""), SendErrorKind.MISCONFIGURED, None),
    ],
)
def test_200_is_no_success_by_itself(answer, kind, wait):
    error = refused(answer)
    assert (error.kind, error.retry_after) == (kind, wait)
