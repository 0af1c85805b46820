"""Secrets leave events and alerts before they are stored; random months look for them everywhere."""

import pytest

from agent.core.codec import encode
from agent.core.facts import HandedIn, KernelSeen, ProcessStarted
from agent.core.kernel_log import KernelKind
from agent.core.model import AlertType, Link, Severity, Status
from agent.core.presentable import event_without_secrets, without_secrets
from agent.core.redact import Redactor
from tests.core.values import NOW, alert, event, finding

SECRET = "xoxb-123456789012-abcdefghijkl"
TEXT = f"token={SECRET}"
CLEAN = Redactor().clean
JOB = {"id": "job-1", "error": TEXT, "gpus": list(range(64))}


@pytest.mark.parametrize(
    "fact",
    [
        HandedIn(
            AlertType.GPU_ERROR, Status.FIRING, Severity.CRITICAL, title=TEXT, message=TEXT, job=JOB,
            labels={"note": TEXT}, fields={"note": TEXT},
        ),
        finding(text=TEXT, context=(TEXT,), facts={"exception": TEXT}),
        KernelSeen("boot", KernelKind.XID, TEXT, NOW, facts={"tasks": [{"name": TEXT}] * 40}),
        ProcessStarted("boot", 7, 8, NOW, name=TEXT, command=TEXT),
    ],
)  # fmt: skip
def test_an_event_is_stored_without_secrets_and_otherwise_whole(fact):
    raw, stored = event(fact), event_without_secrets(event(fact), CLEAN)
    assert SECRET not in repr(stored)
    assert str(encode(stored)) == str(encode(raw)).replace(SECRET, "***")


def test_an_alert_is_stored_without_secrets_and_otherwise_whole():
    links = (Link("board", "https://example.com/?run=1"),)
    raw = alert(
        title=TEXT, message=TEXT, labels={"note": TEXT}, fields={"note": TEXT}, evidence=(TEXT,), advice=TEXT, job=JOB,
        gpu={"name": TEXT}, disk={"mountpoint": TEXT}, links=links,
    )  # fmt: skip
    stored = without_secrets(raw, CLEAN)
    assert str(encode(stored)) == str(encode(raw)).replace(SECRET, "***")
    assert stored.links == links
