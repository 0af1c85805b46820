"""What a digest says, to people and to programs."""

from dataclasses import replace
from datetime import UTC

import pytest

from agent.core.digest import LINES_LIMIT, MOST_MEMBERS, Digest, compose_digest, likely_cause
from agent.core.model import AlertType, Hold, NotificationKind, Severity, Status
from agent.core.payload import digest as digest_body
from agent.core.recurrence import Recurrence
from agent.core.redact import Redactor
from tests.core.values import alert, event_alert

MINUTE, HOUR = 60_000, 3_600_000
TEN_PM = 1_774_735_200_000  # 2026-03-28T22:00Z
SEVEN_AM = TEN_PM + 9 * HOUR

HOT = alert(id="hot", type=AlertType.GPU_DEGRADED, fingerprint="a" * 32, title="GPU 3 too hot",
            starts_at=TEN_PM + 254 * MINUTE, labels={"gpu_uuid": "GPU-3"})  # fmt: skip
FULL = alert(id="full", starts_at=TEN_PM - 10 * MINUTE, ends_at=TEN_PM + HOUR, status=Status.RESOLVED)
DONE = event_alert(
    id="done", type=AlertType.JOB_COMPLETED, severity=Severity.INFO, title="Training complete", fingerprint="b" * 32,
    starts_at=TEN_PM + 2 * HOUR, job_id="j", job={"name": "bert", "duration_seconds": 7_500.0, "loss": 0.0213456},
)  # fmt: skip


def composed(*alerts, why=Hold.QUIET_HOURS, **changes):
    digest = Digest("dlv_1", alerts, why, TEN_PM, SEVEN_AM)
    given = {"now": SEVEN_AM, "reason": "digest", "node": "n1", "redactor": Redactor(), "clock_zone": UTC}
    return compose_digest(digest, **(given | changes))


def test_what_still_fires_comes_first_and_each_line_says_how_it_stands():
    message = composed(FULL, DONE, HOT)
    assert message.headline == "🗂️ 3 alerts from quiet hours"
    assert message.body == (
        "Held for quiet hours from 2026-03-28 22:00 to 07:00. 1 still firing, 1 resolved, 1 happened once."
    )
    assert message.evidence == (
        "🌡️ GPU 3 too hot: still firing since 02:14 (4h 46m)",
        "✅ Disk 92 % full: /data: 2026-03-28 21:50 to 2026-03-28 23:00, resolved",
        "✅ 00:00 Training complete: bert, after 2h 05m, final loss 0.02135",
    )
    assert message.facts[0] == ("Severity", "2 warning, 1 info")
    assert (message.kind, message.status, message.severity) == (
        NotificationKind.DIGEST, Status.FIRING, Severity.WARNING,
    )  # fmt: skip
    assert message.advice == "All of them: gpuwarden history --since 10h"


def test_a_digest_of_what_is_all_over_is_itself_resolved():
    message = composed(FULL, replace(FULL, id="other", fingerprint="c" * 32))
    assert (message.status, message.emoji) == (Status.RESOLVED, "✅")


def test_a_condition_that_came_and_went_is_one_line():
    again = [replace(FULL, id=f"e{n}", starts_at=TEN_PM + n * MINUTE, ends_at=TEN_PM + n * MINUTE + 1) for n in (1, 2)]
    message = composed(FULL, *again, replace(FULL, id="now", status=Status.FIRING, ends_at=None, starts_at=SEVEN_AM))
    assert message.evidence == ("💾 Disk 92 % full: /data (4 times): still firing since 2026-03-28 21:50 (0s)",)


def test_how_often_a_condition_came_and_went_is_in_its_line_and_in_its_message():
    recurrences = {"alert-1": Recurrence(7, 52 * MINUTE, firing=True)}
    digest = Digest("dlv_1", [alert(message="Full.")], Hold.COOLDOWN, TEN_PM, SEVEN_AM, recurrences)
    message = compose_digest(digest, now=SEVEN_AM, reason="digest", node="n1", redactor=Redactor())
    assert " (7 changes in 52m 00s): still firing since " in message.evidence[0]
    assert message.members[0].message == "Full. 7 changes in 52m 00s, now firing."


@pytest.mark.parametrize(
    ("why", "title", "body"),
    [
        (Hold.CLOCK_SET, "1 alert: Disk trouble", "Due all at once, since the clock was set."),
        (None, "1 alert: Disk trouble", "Held back for several reasons from 2026-03-28 22:00 to 07:00."),
    ],
)
def test_why_they_were_held_back_is_said_first(why, title, body):
    message = composed(alert(), why=why)
    assert (message.title, message.body.removesuffix(" 1 still firing.")) == (title, body)


def test_more_than_a_digest_lists_are_counted_exactly():
    many = [event_alert(id=f"e{n}", fingerprint=f"{n:032}", title="x" * 150, starts_at=TEN_PM + n) for n in range(75)]
    message = composed(*many, why=Hold.RATE_LIMIT)
    assert len("\n".join(message.evidence)) <= LINES_LIMIT + 20
    assert message.evidence[-1] == f"and {75 - (len(message.evidence) - 1)} more"
    assert (len(message.members), message.left_out) == (MOST_MEMBERS, 55)
    body = digest_body(message.members, message.left_out, reason="digest", sent_at=SEVEN_AM)
    assert body["type"] == "digest"
    assert (len(body["data"]["alerts"]), body["data"]["truncated"]) == (20, 55)


def test_an_alert_that_is_told_twice_counts_once():
    assert composed(HOT, HOT, FULL).title == "2 alerts from quiet hours"


def test_the_plain_form_is_short():
    many = [event_alert(id=f"e{n}", fingerprint=f"{n:032}", title="x" * 80, starts_at=TEN_PM + n) for n in range(30)]
    message = composed(*many, plain=True)
    assert len("\n".join(message.evidence)) < 600
    assert message.evidence[-1].endswith("more")


def test_secrets_of_members_are_hidden():
    message = composed(replace(HOT, title="token s3cret-token", message="s3cret-token"), FULL,
                       redactor=Redactor(["s3cret-token"]))  # fmt: skip
    assert "s3cret-token" not in repr(message)


@pytest.mark.parametrize(
    ("alerts", "cause"),
    [
        ([HOT, replace(HOT, id="2"), FULL], "about gpu_uuid GPU-3; the first of the gravest is: GPU 3 too hot"),
        ([FULL, replace(FULL, id="2"), HOT], "disk_warning; the first of the gravest is: Disk 92 % full: /data"),
        ([HOT, DONE, FULL], None),
    ],
)
def test_the_likely_cause_is_what_most_have_in_common(alerts, cause):
    found = likely_cause(alerts)
    assert found is None if cause is None else found.startswith("2 of 3 are") and found.endswith(cause)
