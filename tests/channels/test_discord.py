import json
from dataclasses import replace

import pytest

from agent.core.model import Link, NotificationKind, Severity, Status
from agent.core.ports import SendError, SendErrorKind
from agent.core.references import References
from tests.channels.samples import FAILED, RESOLVED, channel, message
from tests.support.discord import PATH, DiscordStandIn
from tests.support.standin import Answer


def posted(what=None, path="", **table):
    with DiscordStandIn() as discord:
        channel({"type": "discord", "url": discord.webhook + path, **table}).send(what or message(), "key")
        (request,) = discord.wait_for(1)
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    return request, json.loads(request.body)


def embed(what=None, **table):
    (shown,) = posted(what, **table)[1]["embeds"]
    return shown


def refused(answer):
    with DiscordStandIn(answer) as discord, pytest.raises(SendError) as caught:
        channel({"type": "discord", "url": discord.webhook}).send(message(), "key")
    return caught.value


def test_the_exact_message():
    request, body = posted()

    assert request.path == PATH + "?wait=true"
    assert body == {
        "embeds": [
            {
                "title": "❌ Training failed",
                "description": "bert\\-large ran out of GPU memory at step 4200 of 5000.\n```\n"
                "Traceback (most recent call last):\n"
                "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost\n```\n"
                "[Run page](https://runs.example/1?a=1&b=2)",
                "color": 0xE01E5A,
                "fields": [
                    {"name": "Model", "value": "bert\\-large", "inline": True},
                    {"name": "Duration", "value": "2h 05m", "inline": True},
                    {"name": "Final loss", "value": "0.0213", "inline": True},
                    {"name": "Steps", "value": "4200/5000", "inline": True},
                    {"name": "Node", "value": "node\\-1", "inline": True},
                    {"name": "GPUs", "value": "0, 1", "inline": True},
                    {"name": "Error", "value": "torch.OutOfMemoryError: CUDA out of memory.", "inline": True},
                    {"name": "Advice", "value": "Lower the batch size.", "inline": False},
                ],
                "footer": {"text": "job-0123456789ab · node-1"},
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_the_saved_messages_id_is_the_reference():
    with DiscordStandIn() as discord:
        receipt = channel({"type": "discord", "url": discord.webhook}).send(message(), "key")

    assert receipt.ref == "1200000000000000002"


def test_a_thread_stays_in_the_address():
    assert posted(path="?thread_id=42")[0].path == PATH + "?thread_id=42&wait=true"


@pytest.mark.parametrize(
    ("severity", "colour"), [(Severity.CRITICAL, 0xE01E5A), (Severity.WARNING, 0xECB22E), (Severity.INFO, 0x36C5F0)]
)
def test_the_bar_has_the_colour_of_the_severity_and_information_is_quiet(severity, colour):
    body = posted(message(replace(FAILED, severity=severity)))[1]

    assert body["embeds"][0]["color"] == colour
    assert body.get("flags") == (4096 if severity is Severity.INFO else None)


def test_what_is_over_is_green():
    shown = embed(message(RESOLVED, NotificationKind.RESOLVED))

    assert shown["color"] == 0x2EB67D
    assert RESOLVED.status is Status.RESOLVED


def test_links_are_shown_and_cannot_break_out():
    alert = replace(FAILED, links=(Link("Logs](x)", "https://logs.example.com/a(b)"),))

    assert embed(message(alert))["description"].endswith("[Logs\\]\\(x\\)](https://logs.example.com/a%28b%29)")


def test_a_log_cannot_close_its_fence():
    shown = embed(message(replace(FAILED, evidence=("``` @everyone **bold**",))))

    assert "\n```\n''' @everyone **bold**\n```" in shown["description"]


def test_the_plain_fallback_is_text_alone():
    body = posted(message(plain=True))[1]

    assert "embeds" not in body
    assert body["content"].startswith("❌ Training failed\nbert\\-large ran out of GPU memory")


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (Answer(400, body=b'{"code": 50035, "message": "Invalid Form Body"}'), SendErrorKind.REJECTED, "client_error"),
        (Answer(401, body=b'{"code": 50027}'), SendErrorKind.MISCONFIGURED, "auth_error"),
        (Answer(403, body=b'{"code": 50013}'), SendErrorKind.MISCONFIGURED, "auth_error"),
        (Answer(404, body=b'{"code": 10015}'), SendErrorKind.MISCONFIGURED, "gone"),
        (Answer(200, body=b"<html>a proxy</html>"), SendErrorKind.MISCONFIGURED, "other"),
        (Answer(502, body=b"bad gateway"), SendErrorKind.RETRY, "server_error"),
    ],
)
def test_answers_mean_what_discord_says(answer, kind, reason):
    error = refused(answer)

    assert (error.kind, error.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"Retry-After": "3"}, b'{"retry_after": 2.35, "global": false}', 3),
        ({}, b'{"retry_after": 64.57, "global": true}', 65),
        ({"Retry-After": "2"}, b"banned by the edge", 2),
        ({}, b'{"retry_after": "soon"}', None),
    ],
)
def test_a_pause_is_as_long_as_the_longer_of_header_and_body(headers, body, wait):
    error = refused(Answer(429, headers, body))

    assert (error.kind, error.retry_after) == (SendErrorKind.LIMITED, wait)


def first_told():
    return message(replace(RESOLVED, status=Status.FIRING, ends_at=None))


def over(receipt, **changes):
    return message(RESOLVED, NotificationKind.RESOLVED, references=References(ref=receipt.ref), **changes)


@pytest.mark.parametrize("plain", [False, True])
def test_what_is_over_is_shown_in_the_message_that_told_it(plain):
    with DiscordStandIn() as discord:
        made = channel({"type": "discord", "url": f"{discord.webhook}?thread_id=77"})
        receipt = made.send(first_told(), "key")
        again = made.send(over(receipt, plain=plain), "key-2")
        _, edit = discord.received
        (shown,) = discord.shown.values()
    assert (edit.method, edit.path) == ("PATCH", f"{PATH}/messages/{receipt.ref}?thread_id=77")
    assert again.ref == receipt.ref
    assert shown["allowed_mentions"] == {"parse": []}
    assert "✅ Resolved" in (shown["content"] if plain else shown["embeds"][0]["title"])
    assert bool(shown["embeds"]) is not plain


def test_what_was_deleted_is_posted_anew():
    with DiscordStandIn() as discord:
        made = channel({"type": "discord", "url": discord.webhook})
        receipt = made.send(first_told(), "key")
        discord.shown.clear()
        made.send(over(receipt), "key-2")
        assert [request.method for request in discord.received] == ["POST", "PATCH", "POST"]
        assert len(discord.shown) == 1


def test_a_severity_that_rises_is_posted_so_that_phones_ring():
    with DiscordStandIn() as discord:
        made = channel({"type": "discord", "url": discord.webhook})
        receipt = made.send(first_told(), "key")
        rose = message(
            replace(FAILED, status=Status.FIRING), NotificationKind.ESCALATED, references=References(ref=receipt.ref)
        )
        made.send(rose, "key-2")
        assert [request.method for request in discord.received] == ["POST", "POST"]


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (Answer(400, body=b'{"code": 220003}'), SendErrorKind.MISCONFIGURED, None),
        (Answer(403, body=b'{"code": 50013}'), SendErrorKind.MISCONFIGURED, None),
        (Answer(429, {"Retry-After": "1"}, b"<html>slow down</html>"), SendErrorKind.LIMITED, 60.0),
    ],
)
def test_what_discord_says_beyond_the_status(answer, kind, wait):
    error = refused(answer)
    assert (error.kind, error.retry_after) == (kind, wait)


def test_the_silent_test_names_the_webhook():
    with DiscordStandIn() as discord:
        assert channel({"type": "discord", "url": discord.webhook}).probe() == "webhook gpuwarden"
