"""`test`: the real adapters, against stand-ins on the loopback interface."""

import json

import pytest

from agent.channels.shared import drawing
from tests.support.discord import DiscordStandIn
from tests.support.forms import form
from tests.support.slack import SlackStandIn
from tests.support.standin import Answer, Manner, StandIn

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def hook(file, ask, monkeypatch):
    """Configure one webhook at the address given, and return the way to call commands with it."""

    def _hook(url, **keys):
        lines = [f"{key} = {value}" for key, value in keys.items()]
        config = file("\n".join(['[channels.ops]\ntype = "webhook"', f'url = "{url}"', f'secret = "{SECRET}"', *lines]))
        return lambda *arguments: ask("--config", config, *arguments)

    return _hook


def test_a_sample_is_delivered(hook):
    with StandIn(Answer(202)) as receiver:
        result = hook(f"{receiver.url}/secret-path")("test", "ops")
        (request,) = receiver.wait_for(1)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("ops (webhook): delivered with status 202 after ")
    body = json.loads(request.body)
    assert (body["type"], body["data"]["test"], body["data"]["node"]) == ("job_failed", True, "n1")
    assert body["data"]["notification_reason"] == "test"
    assert request.headers["webhook-id"].startswith("dlv_")


def test_a_sample_of_another_type(hook):
    with StandIn() as receiver:
        assert hook(receiver.url)("test", "ops", "--type", "disk_warning").exit_code == 0
        (request,) = receiver.wait_for(1)
    assert json.loads(request.body)["data"]["disk"]["mountpoint"] == "/data"


def test_the_result_as_an_object(hook):
    with StandIn() as receiver:
        result = hook(receiver.url)("test", "ops", "--json")
    found = json.loads(result.stdout)
    assert 0 <= found.pop("latency_seconds") < 20
    assert found == {
        "channel": "ops", "channel_type": "webhook", "delivered": True, "status": 200, "provider_ref": None,
        "kind": None, "reason": None, "detail": None, "hint": None,
    }  # fmt: skip


def test_slack_takes_a_sample_of_every_type(file, ask):
    with SlackStandIn() as slack:
        config = file(f'[channels.chat]\ntype = "slack"\nurl = "{slack.webhook}"\n')
        for kind in ("job_failed", "gpu_error", "daily_summary"):
            result = ask("--config", config, "test", "chat", "--type", kind)
            assert (result.exit_code, result.stderr) == (0, "")
        assert len(slack.received) == 3


def test_the_console_prints_it(ask):
    result = ask("test", "console")
    assert result.exit_code == 0
    assert "❌ Training failed" in result.stdout
    assert "This is a test." in result.stdout
    assert "console (console): delivered after " in result.stdout


@pytest.mark.parametrize(
    ("answer", "complaint", "hint"),
    [
        (Answer(401, body=b"no"), "ops (webhook): misconfigured: HTTP 401: no", "The credential is refused"),
        (Answer(404), "misconfigured: HTTP 404", "The address no longer exists"),
        (Answer(429, {"Retry-After": "60"}), "limited: HTTP 429", "The provider asks for a pause"),
        (Answer(500), "retry: HTTP 500", "try again later"),
        (Answer(400), "rejected: HTTP 400", "check the address"),
        (Answer(302, {"Location": "http://127.0.0.1/"}), "misconfigured: HTTP 302", "The address redirects"),
    ],
)
def test_a_failure_ends_with_1_and_a_hint(hook, answer, complaint, hint):
    with StandIn(answer) as receiver:
        result = hook(f"{receiver.url}/secret-path")("test", "ops")
        assert len(receiver.received) == 1, "nothing is tried again"
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert hint in result.stderr
    assert "secret-path" not in result.output


def test_a_failure_as_an_object(hook):
    with StandIn(Answer(500)) as receiver:
        result = hook(receiver.url)("test", "ops", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["delivered"], found["status"], found["kind"], found["reason"]) == (
        False, 500, "retry", "server_error"
    )  # fmt: skip


def test_the_object_of_a_console_stands_alone(call, file):
    result = call("test", "console", "--json", "--config", file(""))
    assert json.loads(result.stdout)["delivered"]
    assert "Training failed" in result.stderr


def test_nobody_listens(hook, agent_port):
    result = hook(f"http://127.0.0.1:{agent_port}/")("test", "ops")
    assert result.exit_code == 1
    assert "retry: " in result.stderr
    assert "The address could not be reached" in result.stderr


def test_a_server_that_hangs_is_given_its_timeout(hook):
    with StandIn(Answer(manner=Manner.HANG)) as receiver:
        result = hook(receiver.url, timeout='"200ms"')("test", "ops")
    assert result.exit_code == 1
    assert "uncertain: " in result.stderr
    assert "No answer came in time" in result.stderr


def test_a_dry_run_prints_the_request_without_secrets_and_sends_nothing(hook):
    with StandIn() as receiver:
        result = hook(f"{receiver.url}/secret-path")("test", "ops", "--dry-run")
        assert receiver.received == []
    assert result.exit_code == 0
    assert result.stdout.startswith(f"POST {receiver.url}/")
    assert '"type":"job_failed"' in result.stdout
    assert "secret-path" not in result.output
    assert SECRET not in result.output
    assert "webhook-signature: ***" in result.stdout


def test_an_unknown_channel_lists_the_configured_ones(hook):
    result = hook("http://127.0.0.1:9/")("test", "opps")
    assert result.exit_code == 2
    assert "there is no channel 'opps'; configured: ops; did you mean \"ops\"?" in result.stderr


def test_an_unknown_type_ends_with_2(ask):
    result = ask("test", "console", "--type", "fire")
    assert result.exit_code == 2
    assert "'fire' is not one of 'job_started'" in result.stderr


def test_the_sample_is_shown_with_a_picture_where_it_can_be_drawn(file, ask, tmp_path, monkeypatch):
    (tmp_path / "stub_that_draws.py").write_text("import sys; sys.stdout.buffer.write(b'\\x89PNG\\r\\n\\x1a\\n')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(drawing, "CHILD", "stub_that_draws")
    monkeypatch.setattr(drawing, "LIBRARY", "json")
    with DiscordStandIn() as discord:
        config = file(f'[channels.chat]\ntype = "discord"\nurl = "{discord.webhook}"\n')
        assert ask("--config", config, "test", "chat").exit_code == 0
        (request,) = discord.received
    assert form(request)["files[0]"].content == drawing.SIGNATURE


def test_nothing_is_stored(hook, state):
    with StandIn() as receiver:
        hook(receiver.url)("test", "ops")
    assert list(state.iterdir()) == []
