import json
from dataclasses import replace

import pytest

from agent.channels.teams import Config, escape
from agent.core.model import Link, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from tests.channels.adapters import FLOW_PATH, FLOW_QUERY
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.clock import START
from tests.support.standin import Answer, StandIn


def posted(what=None, **table):
    with StandIn(Answer(202)) as teams:
        url = f"{teams.url}{FLOW_PATH}?{FLOW_QUERY}"
        channel({"type": "teams", "url": url, **table}).send(what or message(), "key")
        return teams.wait_for(1)[0]


def card(what=None, **table):
    (attachment,) = json.loads(posted(what, **table).body)["attachments"]
    return attachment["content"]


def refused(answer):
    with StandIn(answer) as teams, pytest.raises(SendError) as caught:
        channel({"type": "teams", "url": f"{teams.url}{FLOW_PATH}"}).send(message(), "key")
    return caught.value


def text(content, **looks):
    return {"type": "TextBlock", "text": content, "wrap": True, **looks}


def test_the_exact_message():
    request = posted()
    assert request.path == f"{FLOW_PATH}?{FLOW_QUERY}"
    assert json.loads(request.body) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": {"width": "full"},
                    "body": [
                        {
                            "type": "Container",
                            "id": "alert-1",
                            "style": "attention",
                            "bleed": True,
                            "items": [text("❌ Training failed", size="Large", weight="Bolder")],
                        },
                        text("bert-large ran out of GPU memory at step 4200 of 5000."),
                        {
                            "type": "FactSet",
                            "facts": [
                                {"title": "Model", "value": "bert-large"},
                                {"title": "Duration", "value": "2h 05m"},
                                {"title": "Final loss", "value": "0.0213"},
                                {"title": "Steps", "value": "4200/5000"},
                                {"title": "Node", "value": "node-1"},
                                {"title": "GPUs", "value": "0, 1"},
                                {"title": "Error", "value": "torch.OutOfMemoryError: CUDA out of memory."},
                            ],
                        },
                        text(
                            "Traceback \\(most recent call last\\):  \n"
                            "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost",
                            fontType="Monospace",
                            size="Small",
                        ),
                        text("Advice: Lower the batch size."),
                        text("job-0123456789ab · node-1", size="Small", isSubtle=True),
                    ],
                    "actions": [{"type": "Action.OpenUrl", "title": "Run page", "url": "https://runs.example/1?a=1&b=2"}],
                },
            }
        ],
    }


def test_the_url_is_called_byte_for_byte():
    """Port, order and percent-encoding: the signature covers them."""
    query = "sv=1.0&sp=%2Ftriggers%2fmanual%2Frun&api-version=1&sig=a%2Bb%2f-_~c%3D"
    with StandIn(Answer(202)) as teams:
        channel({"type": "teams", "url": f"{teams.url}/work%20flows//x/?{query}"}).send(message(), "key")
        (request,) = teams.wait_for(1)
    assert request.path == f"/work%20flows//x/?{query}"
    kept = f"https://default1.02.environment.api.powerplatform.com:443/powerautomate/x?{query}"
    assert Config.model_validate({"type": "teams", "url": kept}).address == kept


@pytest.mark.parametrize(
    ("alert", "style"),
    [
        (FAILED, "attention"),
        (replace(FAILED, severity=Severity.WARNING), "warning"),
        (replace(FAILED, severity=Severity.INFO), "accent"),
        (RESOLVED, "good"),
    ],
)
def test_the_head_has_the_colour_of_the_severity(alert, style):
    assert card(message(alert))["body"][0]["style"] == style


def test_a_resolved_condition():
    head, body, *_ = card(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))["body"]
    assert head["items"][0]["text"] == "✅ Resolved: Disk 92 % full: /data"
    assert body["text"] == "Fired 14:13, resolved 14:14 \\(after 1m 00s\\)."


def test_the_plain_fallback_is_one_text():
    shown = card(message(plain=True))
    (block,) = shown["body"]
    assert block["text"].startswith("❌ Training failed  \nbert-large ran out of GPU memory")
    assert "actions" not in shown


def test_the_channels_own_link_is_the_first_button():
    buttons = card(link="https://runs.example/{job_id}")["actions"]
    assert [button["title"] for button in buttons] == ["View details", "Run page"]


def test_indents_of_a_traceback_are_kept():
    lines = ('  File "train.py", line 1', "\treturn x")
    shown = card(message(replace(FAILED, evidence=lines)))["body"][3]["text"]
    assert shown == '\u00a0\u00a0File "train.py", line 1  \n\u00a0\u00a0\u00a0\u00a0return x'


@pytest.mark.parametrize(
    ("line", "escaped"),
    [
        ("*b* _i_ [x](http://evil.example) `c` # h", "\\*b\\* \\_i\\_ \\[x\\]\\(http://evil.example\\) \\`c\\` \\# h"),
        ("back\\slash", "back\\\\slash"),
        ("- item", "\\- item"),
        ("  + item - not", "  \\+ item - not"),
        ("> quote > not", "\\> quote > not"),
        ("12. of May", "12\\. of May"),
        ("1.5 GiB", "1.5 GiB"),
        ("a 1. b", "a 1. b"),
    ],
)
def test_nothing_formats_a_text_block(line, escaped):
    assert escape(line) == escaped


def test_a_hostile_message_is_used_up_to_the_limit():
    assert 10_000 < len(posted(message(HOSTILE)).body) <= 21_000


@pytest.mark.parametrize(
    "url",
    [
        "https://example.webhook.office.com/webhookb2/x@y/IncomingWebhook/z/w",
        "https://EXAMPLE.WEBHOOK.OFFICE.COM/webhookb2/x",
        "https://outlook.office.com/webhook/x",
        "https://outlook.office365.com/webhook/x",
    ],
)
def test_a_retired_connector_is_refused_with_the_way_out(url):
    with pytest.raises(ValueError, match=r"retired Office 365 connector.*Workflows.*paste the URL") as caught:
        Config.model_validate({"type": "teams", "url": url})
    assert "webhookb2" not in str(caught.value)


def test_a_host_that_only_looks_like_a_connectors_is_taken():
    Config.model_validate({"type": "teams", "url": "https://webhook.office.com.example.org/x"})


@pytest.mark.parametrize("status", [200, 202])
def test_accepted_is_delivered_without_a_reference(status):
    with StandIn(Answer(status)) as teams:
        receipt = channel({"type": "teams", "url": f"{teams.url}{FLOW_PATH}"}).send(message(), "key")
    assert (receipt.ref, receipt.status) == (None, status)


@pytest.mark.parametrize(
    ("answer", "kind", "reason", "wait"),
    [
        (
            Answer(400, body=b'{"error": {"code": "TriggerInputSchemaMismatch"}}'),
            SendErrorKind.REJECTED, "client_error", None,
        ),
        (Answer(413), SendErrorKind.REJECTED, "client_error", None),
        (
            Answer(401, body=b'{"error": {"code": "DirectApiAuthorizationRequired"}}'),
            SendErrorKind.MISCONFIGURED, "auth_error", None,
        ),
        (Answer(404, body=b'{"error": {"code": "WorkflowNotFound"}}'), SendErrorKind.MISCONFIGURED, "gone", None),
        (Answer(410), SendErrorKind.MISCONFIGURED, "gone", None),
        (Answer(502, body=b'{"error": {"code": "NoResponse"}}'), SendErrorKind.RETRY, "server_error", None),
        (Answer(429), SendErrorKind.LIMITED, "rate_limited", 30.0),
        (Answer(429, {"Retry-After": "17"}), SendErrorKind.LIMITED, "rate_limited", 17.0),
        (
            Answer(200, body=b"Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0"),
            SendErrorKind.LIMITED, "rate_limited", 30.0,
        ),
        (
            Answer(200, body=b"Microsoft Teams endpoint returned HTTP error 500 with ContextId tcid=0"),
            SendErrorKind.RETRY, "server_error", None,
        ),
    ],
)  # fmt: skip
def test_answers_mean_what_teams_says(answer, kind, reason, wait):
    error = refused(answer)
    assert (error.kind, error.reason, error.retry_after) == (kind, reason, wait)


def test_at_most_five_buttons():
    links = tuple(Link("l", f"https://runs.example/{number}") for number in range(9))
    assert len(card(message(replace(FAILED, links=links)))["actions"]) == 5
