import importlib.util
import json
import time
from dataclasses import replace

import pytest

from agent.channels import apprise as module
from agent.core.model import NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.standin import Answer, Manner, StandIn, refused_url

SECRET = "pa55word-0123456789"

library = pytest.importorskip("apprise", reason="the extra is not installed")

from agent.channels.shared.apprise_child import longest  # noqa: E402 - it imports the extra


def table(server, **changes):
    return {"type": "apprise", "url": f"json://user:{SECRET}@{server.url.partition('://')[2]}/hook", **changes}


def refused(*answers, **changes):
    with StandIn(*answers) as server, pytest.raises(SendError) as caught:
        channel(table(server, **changes), secrets=[SECRET]).send(message(), "key")
    return caught.value


@pytest.mark.parametrize(
    ("alert", "kind"),
    [(FAILED, "failure"), (replace(FAILED, severity=Severity.WARNING), "warning"), (RESOLVED, "success")],
)
def test_the_message_arrives(alert, kind):
    with StandIn() as server:
        assert channel(table(server)).send(message(alert), "key").ref is None
        (request,) = server.wait_for(1)
    arrived = json.loads(request.body)
    assert arrived["type"] == kind
    assert arrived["title"].endswith(alert.title)
    assert arrived["message"].endswith("node-1")
    assert "authorization" in request.headers


def test_what_is_shown_is_what_arrives():
    made = channel({"type": "apprise", "url": f"json://user:{SECRET}@127.0.0.1/hook"})
    assert made.preview(message(), "key") == (
        "Apprise json://*** (failure)\n\n❌ Training failed\nbert-large ran out of GPU memory at step 4200 of 5000.\n"
        "Model: bert-large\nDuration: 2h 05m\nFinal loss: 0.0213\nSteps: 4200/5000\nNode: node-1\nGPUs: 0, 1\n"
        "Error: torch.OutOfMemoryError: CUDA out of memory.\nTraceback (most recent call last):\n"
        "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost\nAdvice: Lower the batch size.\n"
        "Run page: https://runs.example/1?a=1&b=2\njob-0123456789ab · node-1"
    )


def test_a_hostile_message_arrives_cut():
    with StandIn() as server:
        channel(table(server)).send(message(HOSTILE), "key")
        (request,) = server.wait_for(1)
    assert 3_000 < len(json.loads(request.body)["message"]) <= 8_000


def test_the_longest_form_is_chosen_that_a_service_has_room_for():
    assert [longest(["aaaa", "aa", "a"], room) for room in (9, 4, 3, 1, 0)] == ["aaaa", "aaaa", "aa", "a", "a"]


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (401, SendErrorKind.MISCONFIGURED, "auth_error"),
        (400, SendErrorKind.REJECTED, "client_error"),
        (429, SendErrorKind.LIMITED, "rate_limited"),
        (503, SendErrorKind.RETRY, "server_error"),
    ],
)
def test_a_status_that_apprise_names_is_understood(status, kind, reason):
    error = refused(Answer(status, body=SECRET.encode()))
    assert (error.kind, error.reason, error.status) == (kind, reason, status)
    assert error.detail.startswith("Apprise: Failed to send JSON")
    assert SECRET not in f"{error!r} {error.detail}"


def test_a_redirect_is_not_followed():
    with StandIn() as elsewhere:
        error = refused(Answer(307, {"Location": f"{elsewhere.url}/steal"}))
        assert elsewhere.received == []
    assert error.kind is SendErrorKind.MISCONFIGURED


def test_a_process_that_does_not_come_back_is_ended():
    start = time.monotonic()
    error = refused(Answer(200, {"X": "y" * 500}, manner=Manner.DRIP_HEADERS), timeout=2.0)
    assert error.kind is SendErrorKind.UNCERTAIN
    assert "was ended" in error.detail
    assert time.monotonic() - start < 5.0


def test_a_failure_without_a_status_may_have_been_sent():
    with pytest.raises(SendError) as caught:
        channel({"type": "apprise", "url": f"json://{refused_url().partition('://')[2]}/"}).send(message(), "key")
    assert caught.value.kind is SendErrorKind.UNCERTAIN
    assert "Connection error" in caught.value.detail


def test_a_url_that_apprise_does_not_know():
    with pytest.raises(SendError) as caught:
        channel({"type": "apprise", "url": f"nonsense://{SECRET}"}, secrets=[SECRET]).send(message(), "key")
    assert (caught.value.kind, caught.value.detail) == (
        SendErrorKind.MISCONFIGURED,
        "Apprise: it does not know this URL",
    )


def test_a_fault_in_the_process_is_told(monkeypatch):
    monkeypatch.setattr(module, "CHILD", "agent.no_such_child")
    with pytest.raises(SendError) as caught:
        channel({"type": "apprise", "url": "json://127.0.0.1/"}).send(message(), "key")
    assert "No module named agent.no_such_child" in caught.value.detail


def test_without_the_extra_the_configuration_says_what_to_do(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "apprise" else importlib.util.find_spec(name))
    with pytest.raises(ValueError, match=r'expected the extra: pip install "gpuwarden\[apprise\]"'):
        module.Config.model_validate({"type": "apprise", "url": "json://127.0.0.1/"})


@pytest.mark.parametrize("url", ["no url", "json:/x", "json://x\ny"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ValueError, match="expected one of Apprise") as caught:
        module.Config.model_validate({"type": "apprise", "url": url})
    assert url not in str(caught.value)


def test_a_resolved_condition_is_a_success():
    shown = channel({"type": "apprise", "url": "json://127.0.0.1/"}).preview(
        message(RESOLVED, NotificationKind.RESOLVED), "key"
    )
    assert shown.startswith("Apprise json://*** (success)\n\n✅ Resolved: Disk 92 % full: /data\n")
