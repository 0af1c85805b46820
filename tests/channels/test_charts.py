"""Messages with a picture: what each service is given, and that nothing about a picture loses or repeats a message."""

import importlib
import json
import time
from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from agent.channels.shared import base
from agent.channels.shared.mail import html
from agent.core.model import NotificationKind, Status
from agent.core.ports import SendError, SendErrorKind
from agent.core.references import References
from tests.channels.adapters import ADAPTERS
from tests.channels.samples import CHART, FAILED, PNG, RESOLVED, channel, message
from tests.support.discord import PATH, DiscordStandIn
from tests.support.forms import form
from tests.support.slack_workspace import CHANNEL_ID, SlackWorkspace
from tests.support.smtp import MailServer
from tests.support.standin import Answer, Manner
from tests.support.telegram import GROUP, TOKEN, TelegramStandIn

SHOWING = {"discord", "telegram", "email", "slack bot"}
"""Adapters of channels that show pictures."""
PICTURED = message(chart=CHART)


def drawn(chart):
    assert chart == CHART
    return PNG


def nothing(chart):
    return None


def test_the_channels_that_show_pictures_say_so():
    types = {name: importlib.import_module(f"agent.channels.{item.type}").Config for name, item in ADAPTERS.items()}
    assert {name for name, config in types.items() if config.PICTURES} - {"slack"} == SHOWING


@pytest.mark.parametrize("name", [name for name in ADAPTERS if ADAPTERS[name].http and name not in SHOWING])
def test_who_shows_no_pictures_has_none_drawn(name):
    with ADAPTERS[name].stand_in() as receiver:
        made = channel(ADAPTERS[name].table(receiver.url), draw=pytest.fail)
        made.send(PICTURED, "key")


@pytest.mark.parametrize("name", [name for name in SHOWING if ADAPTERS[name].http])
def test_a_picture_that_could_not_be_drawn_changes_nothing(name):
    requests = []
    for what in (PICTURED, message()):
        with ADAPTERS[name].stand_in() as receiver:
            channel(ADAPTERS[name].table(receiver.url), draw=nothing).send(what, "key")
            requests.append([(request.path, request.body) for request in receiver.received])
    assert requests[0] == requests[1]


@pytest.mark.parametrize("name", SHOWING)
def test_a_preview_draws_nothing(name):
    channel(ADAPTERS[name].table("http://127.0.0.1:9"), draw=pytest.fail).preview(PICTURED, "key")


def test_the_plain_fallback_has_no_picture():
    assert message(chart=CHART, plain=True).chart is None


def test_discord_is_given_the_picture_with_the_message():
    with DiscordStandIn() as discord:
        made = channel({"type": "discord", "url": discord.webhook}, draw=drawn)
        receipt = made.send(PICTURED, "key")
        made.send(message(), "key")
        first, second = discord.received
    parts = form(first)
    payload = json.loads(parts["payload_json"].content)
    assert first.path == second.path == f"{PATH}?wait=true"
    assert list(parts) == ["payload_json", "files[0]"]
    picture = parts["files[0]"]
    assert (picture.content, picture.filename, picture.type) == (PNG, "chart.png", "image/png")
    assert payload["embeds"][0].pop("image") == {"url": "attachment://chart.png"}
    assert payload == json.loads(second.body)
    assert receipt.ref in discord.shown


def test_discord_shows_the_message_without_a_picture_that_it_refuses():
    with DiscordStandIn() as discord:
        discord.takes_files = False
        receipt = channel({"type": "discord", "url": discord.webhook}, draw=drawn).send(PICTURED, "key")
        assert len(discord.received) == 2
        (shown,) = discord.shown.values()
    assert "image" not in shown["embeds"][0]
    assert receipt.status == 200


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(manner=Manner.CLOSE), SendErrorKind.UNCERTAIN),
        (Answer(500), SendErrorKind.RETRY),
        (Answer(401), SendErrorKind.MISCONFIGURED),
        (Answer(429, {"Retry-After": "2"}), SendErrorKind.LIMITED),
    ],
)
def test_what_is_no_refusal_of_the_picture_is_not_tried_without_it(answer, kind):
    with DiscordStandIn(answer) as discord, pytest.raises(SendError) as caught:
        channel({"type": "discord", "url": discord.webhook}, draw=drawn).send(PICTURED, "key")
    assert caught.value.kind is kind
    assert len(discord.received) == 1


def telegram_table(server, **changes):
    return {"type": "telegram", "token": TOKEN, "chat_id": GROUP, "base_url": server.url, **changes}


def test_a_photo_answers_the_message_in_telegram():
    with TelegramStandIn() as telegram:
        receipt = channel(telegram_table(telegram, topic_id=7), draw=drawn).send(PICTURED, "key")
        (shown,), ((fields, photo),) = telegram.shown, telegram.photos
    assert receipt.ref == "1"
    assert photo == PNG
    assert {name: json.loads(value) for name, value in fields.items()} == {
        "chat_id": GROUP, "message_thread_id": 7, "disable_notification": True,
        "reply_parameters": {"message_id": 1, "allow_sending_without_reply": True},
    }  # fmt: skip
    assert "ran out of GPU memory" in shown["text"]


def test_a_photo_follows_its_message_to_where_the_group_moved():
    with TelegramStandIn() as telegram:
        telegram.migrate(GROUP, -1009999999999)
        channel(telegram_table(telegram), draw=drawn).send(PICTURED, "key")
        ((fields, _),) = telegram.photos
    assert fields["chat_id"] == "-1009999999999"


def photo_answered(answer, timeout=2):
    """Telegram takes the message, and answers so to the photo."""
    with TelegramStandIn(TelegramStandIn.ACCEPT, answer) as telegram:
        receipt = channel(telegram_table(telegram, timeout=timeout), draw=drawn).send(PICTURED, "key")
        assert len(telegram.shown) == 1
        assert [request.path.rpartition("/")[2] for request in telegram.received] == ["sendMessage", "sendPhoto"]
    return receipt


@pytest.mark.parametrize(
    "answer", [Answer(400), Answer(429), Answer(500), Answer(manner=Manner.CLOSE), Answer(manner=Manner.RESET)]
)
def test_a_photo_that_telegram_does_not_take_costs_the_photo_alone(answer):
    assert photo_answered(answer).ref == "1"


def test_a_photo_that_is_refused_is_not_tried_again():
    with TelegramStandIn() as telegram:
        telegram.takes_photos = False
        assert channel(telegram_table(telegram), draw=drawn).send(PICTURED, "key").ref == "1"
        assert len(telegram.received) == 2


def test_a_photo_that_telegram_does_not_answer_holds_the_message_up_for_seconds(monkeypatch):
    monkeypatch.setattr(base, "PICTURE_TIME", 0.3)
    start = time.monotonic()
    assert photo_answered(Answer(manner=Manner.HANG), timeout=60).ref == "1"
    assert time.monotonic() - start < 5


def slack(workspace, what=PICTURED):
    return channel(workspace.table(), draw=drawn).send(what, "key")


def test_slack_is_given_the_picture_in_the_thread():
    with SlackWorkspace() as workspace:
        receipt = slack(workspace)
        slack(workspace, message(chart=CHART, references=References(job_ref=receipt.job_ref)))
        calls = [request.path for request in workspace.received[:4]]
        upload = workspace.received[1]
        shared = workspace.shared
    assert calls == [
        "/api/chat.postMessage", "/api/files.getUploadURLExternal", "/upload/v1/F000000000",
        "/api/files.completeUploadExternal",
    ]  # fmt: skip
    assert upload.body == f"filename=chart.png&length={len(PNG)}&alt_txt=Memory+of+GPU+0".encode()
    root = receipt.ref.partition("/")[2]
    assert [body for body, _ in shared] == [
        {"files": [{"id": f"F00000000{n}", "title": CHART.title}], "channel_id": CHANNEL_ID, "thread_ts": root}
        for n in (0, 1)
    ]
    assert [picture for _, picture in shared] == [PNG, PNG]


def test_without_the_scope_slack_shows_the_message_alone():
    with SlackWorkspace() as workspace:
        workspace.scopes = {"chat:write"}
        assert slack(workspace).status == 200
        assert len(workspace.received) == 2
        assert len(workspace.messages) == 1


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("answer", [Answer(500), Answer(manner=Manner.CLOSE), Answer(200, body=b'{"ok": true}')])
def test_an_upload_that_fails_costs_the_picture_alone(step, answer):
    with SlackWorkspace(*[SlackWorkspace.ACCEPT] * step, answer, SlackWorkspace.ACCEPT) as workspace:
        assert slack(workspace).ref.startswith(CHANNEL_ID)
        assert len(workspace.messages) == 1


def test_a_webhook_of_slack_has_none_drawn():
    with ADAPTERS["slack"].stand_in() as receiver:
        channel(ADAPTERS["slack"].table(receiver.url), draw=pytest.fail).send(PICTURED, "key")


def mailed(what, draw=drawn):
    with MailServer() as server:
        table = {"type": "email", "host": "127.0.0.1", "port": server.port, "security": "none",
                 "from": "gpu@example.com", "to": ["a@example.com"]}  # fmt: skip
        channel(table, draw=draw).send(what, "key")
        (content,) = server.bytes
    return content


def test_a_mail_holds_the_picture_that_its_page_shows():
    content = mailed(PICTURED)
    mail = message_from_bytes(content, policy=policy.default)
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip
    picture = [*mail.walk()][-1]
    assert picture.get_content() == PNG
    assert picture["Content-Disposition"].startswith("inline")
    name = picture["Content-ID"].strip("<>")
    assert f'<img src="cid:{name}" width="600" height="240" alt="Memory of GPU 0"' in mail.get_body(
        ("html",)
    ).get_content()
    assert content.isascii()
    assert mailed(PICTURED) == content


def test_the_text_of_a_mail_is_the_same_without_a_picture():
    with_picture, without = (message_from_bytes(mailed(what), policy=policy.default) for what in (PICTURED, message()))
    assert with_picture.get_body(("plain",)).get_content() == without.get_body(("plain",)).get_content()
    assert [part.get_content_type() for part in without.iter_parts()] == ["text/plain", "text/html"]


def test_a_mail_whose_picture_was_not_drawn_is_an_ordinary_one():
    assert mailed(PICTURED, nothing) == mailed(message())
    assert "<img" not in html(PICTURED, ())


def test_an_end_of_a_condition_edits_a_discord_message_without_a_picture():
    with DiscordStandIn() as discord:
        made = channel({"type": "discord", "url": discord.webhook}, draw=drawn)
        receipt = made.send(message(replace(FAILED, status=Status.FIRING), chart=CHART), "key")
        made.send(message(RESOLVED, NotificationKind.RESOLVED, references=References(ref=receipt.ref)), "key-2")
        assert [request.method for request in discord.received] == ["POST", "PATCH"]
