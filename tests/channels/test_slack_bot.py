import json
from dataclasses import replace

import pytest

from agent.channels.shared.slack_bot import ERRORS, NO_EDIT, NO_THREAD
from agent.core.model import AlertType, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from agent.core.references import References
from tests.channels.samples import FAILED, RESOLVED, channel, message
from tests.support.slack_workspace import CHANNEL_ID, TOKEN, SlackWorkspace, headline, refused
from tests.support.standin import Answer

ROOT, REPLY = "1700000000.000001", "1700000000.000002"
STALLED = replace(FAILED, id="alert-0", type=AlertType.TIMEOUT_WARNING, title="Training stalled", fingerprint="0" * 32,
                  severity=Severity.WARNING)  # fmt: skip


@pytest.fixture
def slack():
    with SlackWorkspace() as workspace:
        yield workspace


def send(slack, *told, **table):
    """Send messages, each with the references that the receipts before it left."""
    made, receipts = channel(slack.table(**table)), []
    for what in told:
        receipts.append(made.send(what, "key"))
    return receipts


def known(receipt, *, alert=True):
    return References(ref=receipt.ref if alert else None, job_ref=receipt.job_ref)


def methods(slack):
    return [request.path.removeprefix("/api/") for request in slack.received]


def test_the_exact_request(slack):
    (receipt,) = send(slack, message())
    assert (receipt.ref, receipt.job_ref, receipt.status) == (f"{CHANNEL_ID}/{ROOT}", f"{CHANNEL_ID}/{ROOT}", 200)
    (request,) = slack.received
    assert (request.method, request.path) == ("POST", "/api/chat.postMessage")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    body = json.loads(request.body)
    assert body.pop("blocks")[0]["text"]["text"] == "❌ Training failed"
    assert body.pop("attachments")[0]["color"] == "#E01E5A"
    assert body == {
        "channel": "#gpu-alerts",
        "text": "❌ Training failed\nbert-large ran out of GPU memory at step 4200 of 5000.",
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {
            "event_type": "gpuwarden_alert", "event_payload": {"alert_id": "alert-1", "delivery_id": "key"},
        },
    }  # fmt: skip


def test_what_follows_about_a_job_joins_its_thread_and_its_end_shows_first(slack):
    (first,) = send(slack, message(STALLED))
    send(slack, message(references=known(first, alert=False)))
    assert methods(slack) == ["chat.postMessage", "chat.update", "chat.postMessage"]
    reply = slack.messages[REPLY]
    assert (reply["thread_ts"], reply["reply_broadcast"], reply["channel"]) == (ROOT, True, CHANNEL_ID)
    assert headline(slack.messages[ROOT]) == headline(reply) == "❌ Training failed"
    assert slack.messages[ROOT]["attachments"] == reply["attachments"]


def test_a_condition_that_is_over_is_shown_so_where_it_was_told(slack):
    (first,) = send(slack, message(replace(RESOLVED, status="firing")))
    (second,) = send(slack, message(RESOLVED, NotificationKind.RESOLVED, references=known(first)))
    assert second.ref == first.ref
    assert slack.threads() == {"✅ Resolved: Disk 92 % full: /data": ["✅ Resolved: Disk 92 % full: /data"]}
    assert slack.messages[REPLY]["reply_broadcast"] is True


def test_a_warning_in_a_thread_stays_in_it(slack):
    (first,) = send(slack, message())
    send(slack, message(STALLED, references=known(first, alert=False)))
    assert slack.messages[REPLY]["reply_broadcast"] is False
    assert methods(slack) == ["chat.postMessage"] * 2


def test_a_thread_that_was_deleted_is_begun_anew(slack):
    (first,) = send(slack, message(STALLED))
    slack.delete(ROOT)
    (again,) = send(slack, message(STALLED, NotificationKind.ESCALATED, references=known(first)))
    assert methods(slack)[1:] == ["chat.update", "chat.postMessage"]
    assert again.ref == again.job_ref == f"{CHANNEL_ID}/{REPLY}"
    assert "thread_ts" not in slack.messages[REPLY]


@pytest.mark.parametrize("word", sorted(NO_THREAD))
def test_a_thread_that_takes_no_reply_is_begun_anew(word):
    with SlackWorkspace(refused(word), SlackWorkspace.ACCEPT) as slack:
        told = message(STALLED, references=References(job_ref=f"{CHANNEL_ID}/1.2"))
        (receipt,) = send(slack, told)
    assert receipt.job_ref == f"{CHANNEL_ID}/{ROOT}"
    assert "thread_ts" not in json.loads(slack.received[1].body)


@pytest.mark.parametrize("word", sorted(NO_EDIT - {"message_not_found"}))
def test_a_first_message_that_cannot_be_edited_is_no_reason_to_be_silent(word):
    with SlackWorkspace(refused(word), SlackWorkspace.ACCEPT) as slack:
        told = message(RESOLVED, NotificationKind.RESOLVED, references=References(ref=f"{CHANNEL_ID}/1.2"))
        send(slack, told)
    assert len(slack.messages) == 1


@pytest.mark.parametrize("word", ERRORS)
def test_slacks_word_says_what_to_do(word):
    answer = Answer(200, {"Retry-After": "7"}, refused(word).body)
    with SlackWorkspace(answer) as slack, pytest.raises(SendError) as caught:
        send(slack, message())
    kind, reason = ERRORS[word]
    assert (caught.value.kind, caught.value.reason) == (kind, reason)
    assert caught.value.retry_after == (7.0 if kind in (SendErrorKind.LIMITED, SendErrorKind.RETRY) else None)
    assert word in caught.value.detail


@pytest.mark.parametrize(
    ("word", "kind"),
    [("restricted_action_read_only_channel", SendErrorKind.MISCONFIGURED), ("something_new", SendErrorKind.RETRY)],
)
def test_words_that_are_in_no_table(word, kind):
    with SlackWorkspace(refused(word)) as slack, pytest.raises(SendError) as caught:
        send(slack, message())
    assert caught.value.kind is kind


def test_an_edit_that_is_refused_for_a_while_posts_nothing(slack):
    (first,) = send(slack, message(STALLED))
    slack.answer_with(Answer(429, {"Retry-After": "30"}, refused("ratelimited").body))
    with pytest.raises(SendError) as caught:
        send(slack, message(references=known(first, alert=False)))
    assert (caught.value.kind, caught.value.retry_after) == (SendErrorKind.LIMITED, 30.0)
    assert len(slack.messages) == 1


def test_a_reference_of_a_webhook_is_none(slack):
    send(slack, message(references=References(ref="m-1", job_ref="x")))
    assert len(slack.messages) == 1


def test_the_silent_test_names_the_bot(slack):
    assert channel(slack.table()).probe() == "gpuwarden in the workspace Vision"
    assert slack.messages == {}


@pytest.mark.parametrize(
    "table",
    [{}, {"token": TOKEN}, {"channel": "C1"}, {"url": "https://hooks.slack.com/x", "token": TOKEN, "channel": "C1"},
     {"url": "https://hooks.slack.com/x", "channel": "C1"}],
)  # fmt: skip
def test_one_way_into_slack_is_configured(table):
    with pytest.raises(ValueError, match="expected url, or token and channel"):
        channel({"type": "slack", **table})


@pytest.mark.parametrize(
    ("configured", "threaded"), [("C0123456789", True), ("#gpu-alerts", True), ("C9999999999", False)]
)
def test_a_thread_in_a_channel_configured_before_is_left(slack, configured, threaded):
    (first,) = send(slack, message(STALLED))
    shown = json.loads(
        channel(slack.table(channel=configured))
        .preview(message(references=known(first, alert=False)), "key")
        .partition("\n\n")[2]
    )
    assert ("thread_ts" in shown) is threaded
