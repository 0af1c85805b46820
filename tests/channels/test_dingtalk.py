import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from agent.channels.dingtalk import CODES, escape, signature
from agent.core.model import Link, NotificationKind
from agent.core.ports import SendError, SendErrorKind
from tests.channels.adapters import DING_TOKEN
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.clock import START, ManualClock
from tests.support.standin import Answer, StandIn

DONE = Answer(200, body=b'{"errcode": 0, "errmsg": "ok"}')
PATH = f"/robot/send?access_token={DING_TOKEN}"


def posted(what=None, **table):
    with StandIn(DONE) as ding:
        channel({"type": "dingtalk", "url": ding.url + PATH, **table}).send(what or message(), "key")
        return ding.wait_for(1)[0]


def body(what=None, **table):
    return json.loads(posted(what, **table).body)


def refused(answer):
    with StandIn(answer) as ding, pytest.raises(SendError) as caught:
        channel({"type": "dingtalk", "url": ding.url + PATH}).send(message(), "key")
    return caught.value


def test_the_exact_message():
    request = posted()
    assert request.path == PATH
    assert json.loads(request.body) == {
        "msgtype": "markdown",
        "markdown": {
            "title": "❌ Training failed",
            "text": "### ❌ Training failed\n  \n"
            "bert\\-large ran out of GPU memory at step 4200 of 5000.  \n"
            "**Model:** bert\\-large  \n**Duration:** 2h 05m  \n**Final loss:** 0.0213  \n**Steps:** 4200/5000  \n"
            "**Node:** node\\-1  \n**GPUs:** 0, 1  \n**Error:** torch.OutOfMemoryError: CUDA out of memory.  \n"
            "> Traceback \\(most recent call last\\):  \n"
            "> torch.OutOfMemoryError: CUDA out of memory. Got &lt;20 GiB&gt; &amp; lost\n  \n"
            "**Advice:** Lower the batch size.  \n"
            "[Run page](https://runs.example/1?a=1&b=2)  \n"
            "gpuwarden · job\\-0123456789ab · node\\-1",
        },
        "at": {"atMobiles": [], "isAtAll": False},
    }


def test_the_signature_is_that_of_the_documentation():
    """The vector is openssl's: `printf '1577262236757\\nSECabc0123' | openssl dgst -sha256 -hmac SECabc0123`."""
    assert signature("SECabc0123", 1_577_262_236_757) == "VwgRzL95T2z3xRurYRm9MUoLB1IdQ5F8Fk7CSSrf828="


def test_the_signature_is_percent_encoded_once():
    """A slash or plus in it is the case in which encoding twice, or not at all, is refused."""
    wall = next(at for at in range(START, START + 1_000) if {"/", "+"} <= set(signature("SECx", at)))
    clock = ManualClock()
    clock.advance((wall - START) / 1_000)
    with StandIn(DONE) as ding:
        channel({"type": "dingtalk", "url": ding.url + PATH, "secret": "SECx"}, clock=clock).send(message(), "key")
        (request,) = ding.wait_for(1)
    query = urlsplit(request.path).query
    assert not set("/+") & set(query.partition("sign=")[2])
    assert "%25" not in query
    assert parse_qsl(query) == [
        ("access_token", DING_TOKEN), ("timestamp", str(wall)), ("sign", signature("SECx", wall)),
    ]  # fmt: skip


def test_each_attempt_is_signed_anew_from_the_bare_url():
    clock = ManualClock()
    with StandIn(DONE) as ding:
        made = channel({"type": "dingtalk", "url": ding.url + PATH, "secret": "SECx"}, clock=clock)
        for _ in range(3):
            made.send(message(), "key")
            clock.advance(1.5)
        queries = [parse_qsl(urlsplit(request.path).query) for request in ding.wait_for(3)]
    assert [[name for name, _ in query] for query in queries] == [["access_token", "timestamp", "sign"]] * 3
    assert [dict(query)["timestamp"] for query in queries] == [str(START), str(START + 1_500), str(START + 3_000)]


@pytest.mark.parametrize("alert", [FAILED, HOSTILE])
@pytest.mark.parametrize("node", ["node-1", "node-" * 200])
def test_every_text_holds_the_keyword(alert, node):
    assert "gpuwarden" in body(message(alert, node=node))["markdown"]["text"]
    assert "gpuwarden" in body(message(alert, node=node, plain=True))["text"]["content"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("![x](http://evil.example/p.png)", "\\!\\[x\\]\\(http://evil.example/p.png\\)"),
        ("# **b** _i_ `c` ~s~ a|b", "\\# \\*\\*b\\*\\* \\_i\\_ \\`c\\` \\~s\\~ a\\|b"),
        ("<b> &amp; \\", "&lt;b&gt; &amp;amp; \\\\"),
    ],
)
def test_nothing_in_a_log_is_markup(text, escaped):
    assert escape(text) == escaped


def test_links_cannot_break_out():
    alert = replace(FAILED, links=(Link("Logs](x)", "https://logs.example/a(b) c"), Link("b", "https://x.example/(y)")))
    assert "[b](https://x.example/%28y%29)" in body(message(alert))["markdown"]["text"]


def test_a_resolved_condition():
    shown = body(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))["markdown"]
    assert shown["title"] == "✅ Resolved: Disk 92 % full: /data"
    assert "Fired 14:13, resolved 14:14 \\(after 1m 00s\\)." in shown["text"]


def test_the_plain_fallback_is_a_text():
    shown = body(message(plain=True))
    assert shown["msgtype"] == "text"
    assert "Got <20 GiB> & lost" in shown["text"]["content"]


def test_a_hostile_message_is_used_up_to_the_limit():
    assert 9_000 < len(posted(message(HOSTILE)).body) <= 18_000


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("code", CODES)
def test_dingtalks_number_counts_before_the_status(status, code):
    error = refused(Answer(status, body=json.dumps({"errcode": code, "errmsg": "no"}).encode()))
    assert (error.kind, error.reason, error.retry_after) == (CODES[code].kind, CODES[code].reason, CODES[code].wait)


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (Answer(200, body=b'{"errcode": 310000, "errmsg": "sign not match"}'), SendErrorKind.MISCONFIGURED, None),
        (Answer(200, body=b'{"errcode": 130101, "errmsg": "send too fast"}'), SendErrorKind.LIMITED, 600.0),
        (Answer(200, {"Retry-After": "5"}, b'{"errcode": 130101}'), SendErrorKind.LIMITED, 5.0),
        (Answer(200, body=b'{"errcode": 77777, "errmsg": "who knows"}'), SendErrorKind.RETRY, None),
        (Answer(200, body=b"[0]"), SendErrorKind.MISCONFIGURED, None),
    ],
)
def test_200_is_no_success_by_itself(answer, kind, wait):
    error = refused(answer)
    assert (error.kind, error.retry_after) == (kind, wait)
