import json
from dataclasses import replace

import pytest

from agent.channels.telegram import PERMANENT, Config, parsed_length
from agent.core.model import Link, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from agent.core.references import References
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.clock import START
from tests.support.standin import Answer
from tests.support.telegram import GROUP, TOKEN, TelegramStandIn


def table(server, **changes):
    return {"type": "telegram", "token": TOKEN, "chat_id": GROUP, "base_url": server.url, **changes}


def sent(what=None, **changes):
    with TelegramStandIn() as telegram:
        channel(table(telegram, **changes)).send(what or message(), "key")
        (request,) = telegram.wait_for(1)
    assert request.path == f"/bot{TOKEN}/sendMessage"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    return json.loads(request.body)


def refused(answer):
    with TelegramStandIn(answer) as telegram, pytest.raises(SendError) as caught:
        channel(table(telegram)).send(message(), "key")
    return caught.value


def no(code, description, **parameters):
    said = {"ok": False, "error_code": code, "description": description}
    return Answer(code, body=json.dumps(said | ({"parameters": parameters} if parameters else {})).encode())


def test_the_exact_message():
    assert sent() == {
        "chat_id": GROUP,
        "text": "<b>❌ Training failed</b>\n"
        "bert-large ran out of GPU memory at step 4200 of 5000.\n"
        "<b>Model:</b> bert-large\n<b>Duration:</b> 2h 05m\n<b>Final loss:</b> 0.0213\n<b>Steps:</b> 4200/5000\n"
        "<b>Node:</b> node-1\n<b>GPUs:</b> 0, 1\n<b>Error:</b> torch.OutOfMemoryError: CUDA out of memory.\n"
        "<pre>Traceback (most recent call last):\n"
        "torch.OutOfMemoryError: CUDA out of memory. Got &lt;20 GiB&gt; &amp; lost</pre>\n"
        "<b>Advice:</b> Lower the batch size.\n"
        '<a href="https://runs.example/1?a=1&amp;b=2">Run page</a>\n'
        "job-0123456789ab · node-1",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def test_the_plain_fallback_is_not_parsed():
    body = sent(message(plain=True))
    assert "parse_mode" not in body
    assert "Got <20 GiB> & lost" in body["text"]


def test_a_resolved_condition_answers_the_message_about_it():
    body = sent(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000, references=References(ref="41")))
    assert body["text"] == (
        "<b>✅ Resolved: Disk 92 % full: /data</b>\nFired 14:13, resolved 14:14 (after 1m 00s).\n"
        "<b>Node:</b> node-1\nalert-1 · node-1"
    )
    assert body["reply_parameters"] == {"message_id": 41, "allow_sending_without_reply": True}


@pytest.mark.parametrize("severity", Severity)
def test_what_is_only_information_makes_no_sound(severity):
    assert sent(message(replace(FAILED, severity=severity))).get("disable_notification", False) is (
        severity is Severity.INFO
    )


def test_a_topic_and_the_name_of_a_channel():
    assert sent(topic_id=7)["message_thread_id"] == 7
    assert sent(chat_id="@gpu_alerts")["chat_id"] == "@gpu_alerts"


def test_links_cannot_break_out_of_their_attribute():
    alert = replace(FAILED, links=(Link('"><b>x', 'https://logs.example/"><script>'),))
    assert '<a href="https://logs.example/&quot;&gt;&lt;script&gt;">"&gt;&lt;b&gt;x</a>' in sent(message(alert))["text"]


def test_the_limit_counts_what_is_left_after_parsing():
    """A text of nothing but signs that are escaped is four or five times as long when it is sent."""
    lines = tuple("<" * 95 for _ in range(20))
    text = sent(message(replace(FAILED, message="&" * 1_500, evidence=lines)))["text"]
    assert len(text) > 2 * 4_096
    assert parsed_length(text) <= 4_096
    assert "cut" not in text


def test_a_hostile_message_is_used_up_to_the_limit():
    assert 3_000 < parsed_length(sent(message(HOSTILE))["text"]) <= 4_096


def test_the_id_of_the_message_is_the_reference():
    with TelegramStandIn() as telegram:
        assert channel(table(telegram)).send(message(), "key").ref == "1"


def test_a_group_that_moved_is_followed_at_once_and_remembered():
    with TelegramStandIn() as telegram:
        telegram.migrate(GROUP, -1009999999999)
        made = channel(table(telegram))
        receipt = made.send(message(), "first")
        made.send(message(references=References(moved_to=receipt.moved_to)), "second")
        chats = [json.loads(request.body)["chat_id"] for request in telegram.wait_for(3)]
        assert chats == [GROUP, -1009999999999, -1009999999999]
        first, second = telegram.shown
    assert receipt.ref == "1"
    assert "set chat_id = -1009999999999" in first["text"]
    assert "chat_id" not in second["text"]


def test_a_chat_that_was_configured_anew_is_believed():
    with TelegramStandIn() as telegram:
        known = References(moved_to=f"{GROUP}>-1009999999999")
        receipt = channel(table(telegram, chat_id=-5)).send(message(references=known), "key")
        assert [shown["chat_id"] for shown in telegram.shown] == [-5]
    assert receipt.moved_to is None


def test_a_topic_that_is_gone_does_not_lose_the_message():
    with TelegramStandIn() as telegram:
        telegram.close_topic(7)
        channel(table(telegram, topic_id=7)).send(message(), "key")
        (shown,) = telegram.shown
    assert "message_thread_id" not in shown
    assert shown["text"].endswith("job-0123456789ab · node-1 · topic 7 is gone or closed")


def test_a_group_that_moved_and_lost_its_topic():
    with TelegramStandIn() as telegram:
        telegram.migrate(GROUP, -1009999999999)
        telegram.close_topic(7)
        channel(table(telegram, topic_id=7)).send(message(), "key")
        (shown,) = telegram.shown
        assert len(telegram.received) == 3
    assert shown["chat_id"] == -1009999999999


def test_groups_that_name_each_other_do_not_go_round_for_ever():
    with TelegramStandIn() as telegram:
        telegram.migrate(GROUP, -2)
        telegram.migrate(-2, GROUP)
        with pytest.raises(SendError) as caught:
            channel(table(telegram)).send(message(), "key")
        assert len(telegram.received) == 3
    assert caught.value.kind is SendErrorKind.REJECTED


def test_the_silent_test_names_bot_and_chat():
    with TelegramStandIn() as telegram:
        assert channel(table(telegram)).probe() == "@gpu_bot knows the chat GPU alerts"
        methods = [request.path.rpartition("/")[2] for request in telegram.received]
    assert methods == ["getMe", f"getChat?chat_id={GROUP}"]


def test_the_silent_test_of_a_chat_that_the_bot_does_not_know():
    with TelegramStandIn() as telegram, pytest.raises(SendError) as caught:
        channel(table(telegram, chat_id="@elsewhere")).probe()
    assert (caught.value.kind, caught.value.status) == (SendErrorKind.MISCONFIGURED, 400)


def test_markup_that_cannot_be_parsed_is_refused_once_and_taken_plain():
    refusal = no(400, "Bad Request: can't parse entities: Unsupported start tag")
    with TelegramStandIn(refusal, TelegramStandIn.ACCEPT) as telegram:
        made = channel(table(telegram))
        with pytest.raises(SendError) as caught:
            made.send(message(), "key")
        assert caught.value.kind is SendErrorKind.REJECTED
        made.send(message(plain=True), "key")
        (shown,) = telegram.shown
    assert "parse_mode" not in shown


@pytest.mark.parametrize(
    "description",
    [
        "Bad Request: chat not found",
        "Forbidden: bot was blocked by the user",
        "Forbidden: user is deactivated",
        "Forbidden: bot was kicked from the group chat",
        "Forbidden: bot was kicked from the supergroup chat",
        "Forbidden: the group chat was deleted",
    ],
)
@pytest.mark.parametrize("code", [400, 403])
def test_six_texts_mean_that_the_chat_is_at_fault(code, description):
    assert any(part in description.lower() for part in PERMANENT)
    error = refused(no(code, description))
    assert (error.kind, error.status) == (SendErrorKind.MISCONFIGURED, code)
    assert description in error.detail


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (no(401, "Unauthorized"), SendErrorKind.MISCONFIGURED, "auth_error"),
        (no(404, "Not Found"), SendErrorKind.MISCONFIGURED, "gone"),
        (no(400, "Bad Request: not enough rights to send text messages"), SendErrorKind.MISCONFIGURED, "gone"),
        (no(400, "Bad Request: message is too long"), SendErrorKind.REJECTED, "client_error"),
        (no(400, "Bad Request: message text is empty"), SendErrorKind.REJECTED, "client_error"),
        (no(502, "Bad Gateway"), SendErrorKind.RETRY, "server_error"),
        (Answer(200, body=b'{"ok": false}'), SendErrorKind.MISCONFIGURED, "other"),
        (Answer(200, body=b"<html>Sign in</html>"), SendErrorKind.MISCONFIGURED, "other"),
    ],
)
def test_answers_mean_what_telegram_says(answer, kind, reason):
    error = refused(answer)
    assert (error.kind, error.reason) == (kind, reason)


def test_the_wait_is_in_the_body():
    error = refused(no(429, "Too Many Requests: retry after 35", retry_after=35))
    assert (error.kind, error.retry_after) == (SendErrorKind.LIMITED, 35.0)


@pytest.mark.parametrize(("chat_id", "found"), [("-1001", -1001), ("@gpu_alerts", "@gpu_alerts"), (5, 5)])
def test_a_chat_is_a_number_or_a_name(chat_id, found):
    given = {"type": "telegram", "token": TOKEN, "chat_id": chat_id}
    assert Config.model_validate(given).chat_id == found


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"chat_id": "gpu alerts"}, 'expected a number such as -1001234567890, or the "@name"'),
        ({"chat_id": True}, "expected a number"),
        ({"token": "bot123456:not-a-token"}, "expected a bot's token"),
        ({"token": "1:ab/../getUpdates"}, "expected a bot's token"),
        ({"topic_id": 0}, "greater than 0"),
    ],
)
def test_mistakes_are_told(wrong, expected):
    given = {"type": "telegram", "token": TOKEN, "chat_id": 5, **wrong}
    with pytest.raises(ValueError, match=expected) as caught:
        Config.model_validate(given)
    assert given["token"] not in str(caught.value)


def test_the_vendor_is_called_by_default():
    assert Config.model_validate({"type": "telegram", "token": TOKEN, "chat_id": 5}).address == "https://api.telegram.org"
