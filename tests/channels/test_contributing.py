"""The example of CONTRIBUTING's "Add a channel" is a channel."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from agent.core.ports import SendError, SendErrorKind
from tests.channels.samples import HOSTILE, channel, message
from tests.support.standin import Answer, StandIn

GUIDE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
DONE = Answer(200, body=b'{"name": "spaces/AAAA/messages/1"}')


@pytest.fixture(autouse=True)
def _module(monkeypatch):
    module = ModuleType("agent.channels.googlechat")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(EXAMPLE, module.__dict__)


def table(server):
    return {"type": "googlechat", "url": f"{server.url}/v1/spaces/AAAA/messages?key=k&token=t0ken-s3cret"}


@pytest.mark.parametrize("what", [message(), message(HOSTILE)], ids=["ordinary", "hostile"])
def test_it_posts_what_fits(what):
    with StandIn(DONE) as server:
        receipt = channel(table(server)).send(what, "key")
        (request,) = server.wait_for(1)
    text = json.loads(request.body)["text"]
    assert text.startswith(f"{what.emoji} ")
    assert len(text) <= 4_096
    assert "<" not in text
    assert receipt.ref == "spaces/AAAA/messages/1"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(404), SendErrorKind.MISCONFIGURED),
        (Answer(429), SendErrorKind.LIMITED),
        (Answer(200, body=b"<html>Sign in</html>"), SendErrorKind.MISCONFIGURED),
    ],
)
def test_it_understands_answers(answer, kind):
    with StandIn(answer) as server, pytest.raises(SendError) as caught:
        channel(table(server)).send(message(), "key")
    assert caught.value.kind is kind


def test_it_shows_no_secret():
    with StandIn() as server:
        assert "s3cret" not in channel(table(server)).preview(message(), "key")
