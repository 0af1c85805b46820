import json
from dataclasses import replace

import pytest

from agent.channels.slack import WORDS
from agent.core.model import Link, NotificationKind, Severity, Status
from agent.core.ports import SendError, SendErrorKind
from tests.channels.samples import FAILED, RESOLVED, channel, message
from tests.support.clock import START
from tests.support.slack import SlackStandIn
from tests.support.standin import Answer, Manner


def posted(what=None, **table):
    with SlackStandIn() as slack:
        channel({"type": "slack", "url": slack.webhook, **table}).send(what or message(), "key")
        (request,) = slack.wait_for(1)
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    return json.loads(request.body)


def refused(answer, **table):
    with SlackStandIn(answer) as slack, pytest.raises(SendError) as caught:
        channel({"type": "slack", "url": slack.webhook, **table}).send(message(), "key")
    return caught.value


def mrkdwn(text):
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def test_the_exact_message():
    assert posted() == {
        "text": "❌ Training failed\nbert-large ran out of GPU memory at step 4200 of 5000.",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "❌ Training failed", "emoji": True}}
        ],
        "attachments": [
            {
                "color": "#E01E5A",
                "blocks": [
                    {"type": "section", "text": mrkdwn("bert-large ran out of GPU memory at step 4200 of 5000.")},
                    {
                        "type": "section",
                        "fields": [
                            mrkdwn("*Model*\nbert-large"),
                            mrkdwn("*Duration*\n2h 05m"),
                            mrkdwn("*Final loss*\n0.0213"),
                            mrkdwn("*Steps*\n4200/5000"),
                            mrkdwn("*Node*\nnode-1"),
                            mrkdwn("*GPUs*\n0, 1"),
                            mrkdwn("*Error*\ntorch.OutOfMemoryError: CUDA out of memory."),
                        ],
                    },
                    {
                        "type": "section",
                        "text": mrkdwn(
                            "```\nTraceback (most recent call last):\n"
                            "torch.OutOfMemoryError: CUDA out of memory. Got &lt;20 GiB&gt; &amp; lost\n```"
                        ),
                    },
                    {"type": "section", "text": mrkdwn("*Advice:* Lower the batch size.")},
                    {
                        "type": "actions",
                        "elements": [
                            {
                                "type": "button",
                                "text": {"type": "plain_text", "text": "Run page", "emoji": True},
                                "url": "https://runs.example/1?a=1&b=2",
                            }
                        ],
                    },
                    {"type": "context", "elements": [mrkdwn("job-0123456789ab · node-1")]},
                ],
            }
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_the_plain_fallback_is_text_alone():
    assert posted(message(plain=True)) == {
        "text": "❌ Training failed\nbert-large ran out of GPU memory at step 4200 of 5000.\nModel: bert-large\n"
        "Duration: 2h 05m\nFinal loss: 0.0213\nSteps: 4200/5000\nNode: node-1\nGPUs: 0, 1\n"
        "Error: torch.OutOfMemoryError: CUDA out of memory.\nTraceback (most recent call last):\n"
        "torch.OutOfMemoryError: CUDA out of memory. Got &lt;20 GiB&gt; &amp; lost\nAdvice: Lower the batch size.\n"
        "Run page: https://runs.example/1?a=1&amp;b=2\njob-0123456789ab · node-1",
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


@pytest.mark.parametrize(
    ("alert", "colour"),
    [
        (FAILED, "#E01E5A"),
        (replace(FAILED, severity=Severity.WARNING), "#ECB22E"),
        (replace(FAILED, severity=Severity.INFO), "#36C5F0"),
        (replace(RESOLVED, severity=Severity.CRITICAL), "#2EB67D"),
    ],
)
def test_the_bar_shows_the_severity_or_that_it_is_over(alert, colour):
    assert posted(message(alert))["attachments"][0]["color"] == colour


def test_a_resolved_condition():
    shown = posted(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))
    assert shown["blocks"][0]["text"]["text"] == "✅ Resolved: Disk 92 % full: /data"
    assert shown["attachments"][0]["blocks"][0]["text"]["text"] == "Fired 14:13, resolved 14:14 (after 1m 00s)."


def test_mentions_and_fences_in_a_log_do_nothing():
    lines = ("<!channel> <@U1> <#C1|x> *bold*", "before ``` after", "```", "a & b &amp; c")
    shown = posted(message(replace(FAILED, title="<!here> & co", evidence=lines)))
    code = shown["attachments"][0]["blocks"][2]["text"]["text"]
    assert code == (
        "```\n&lt;!channel&gt; &lt;@U1&gt; &lt;#C1|x&gt; *bold*\nbefore ''' after\n'''\na &amp; b &amp;amp; c\n```"
    )
    assert shown["blocks"][0]["text"]["text"] == "❌ \u2039!here\u203a & co"
    assert shown["text"].startswith("❌ &lt;!here&gt; &amp; co")


def test_more_facts_than_a_section_takes_fill_several():
    fields = {f"field {number}": str(number) for number in range(20)}
    sections = [block for block in posted(message(replace(FAILED, fields=fields)))["attachments"][0]["blocks"]
                if "fields" in block]  # fmt: skip
    assert [len(section["fields"]) for section in sections] == [10, 10, 7]


def test_evidence_full_of_escapes_is_cut_before_it_is_escaped():
    shown = posted(message(replace(FAILED, evidence=("<" * 480,) * 4)))
    code = shown["attachments"][0]["blocks"][2]["text"]["text"]
    assert len(code) <= 3_000
    assert "… (3 lines cut)" in code
    assert "&" not in code.replace("&lt;", "")


def test_the_channels_own_link_is_the_first_button():
    shown = posted(link="https://runs.example/{job_id}")
    buttons = shown["attachments"][0]["blocks"][-2]["elements"]
    assert [button["text"]["text"] for button in buttons] == ["View details", "Run page"]
    assert buttons[0]["url"] == "https://runs.example/job-0123456789ab"


def test_at_most_five_buttons():
    links = tuple(Link("l" * 200, f"https://runs.example/{number}") for number in range(9))
    buttons = posted(message(replace(FAILED, links=links)))["attachments"][0]["blocks"][-2]["elements"]
    assert len(buttons) == 5
    assert buttons[0]["text"]["text"].endswith("… (cut)")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("status", [200, 400, 403, 404, 410, 500])
def test_slacks_word_counts_before_the_status(word, status):
    error = refused(Answer(status, body=word.encode() + b"\n"))
    assert (error.kind, error.reason) == WORDS[word]
    assert error.detail == f"HTTP {status}: {word}"


@pytest.mark.parametrize("body", [b"", b"<html>Sign in to the network</html>", b'{"ok":true}', b"OK"])
def test_200_without_ok_is_no_success(body):
    assert refused(Answer(200, body=body)).kind is SendErrorKind.MISCONFIGURED


def test_200_whose_body_never_ends_is_uncertain():
    assert refused(Answer(200, body=b"o", manner=Manner.DRIP_BODY), timeout=0.3).kind is SendErrorKind.UNCERTAIN


def test_a_wrong_path_is_a_fault_of_the_settings():
    with SlackStandIn() as slack, pytest.raises(SendError) as caught:
        channel({"type": "slack", "url": f"{slack.url}/services/T/B/other"}).send(message(), "key")
    assert (caught.value.kind, caught.value.status) == (SendErrorKind.MISCONFIGURED, 404)


def test_every_status_of_an_alert_has_a_valid_form():
    for status in Status:
        assert posted(message(replace(FAILED, status=status, ends_at=START)))
