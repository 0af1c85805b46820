"""The chain of an alert in words."""

from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from values import NOW, alert, delivery, event_alert

from agent.core.model import Attempt, Decision, DeliveryState, NotificationKind, Severity, Status
from agent.core.reasons import words
from agent.core.story import NOBODY, tell

FIRED, RESOLVED = NotificationKind.FIRED, NotificationKind.RESOLVED


def decision(verdict="send", reason="first notification", *, at=NOW, channel="ops", kind=FIRED, until=None):
    return Decision("alert-1", at, channel, kind, "outbox", verdict, reason, until)


def attempt(row, n=1, outcome="delivered", *, at=NOW + 1_000, status=None, error=None):
    return Attempt(row.id, n, at, at + 100, outcome, status, error)


def test_a_story_from_first_to_last():
    told = delivery(
        event_alert(), state=DeliveryState.DELIVERED, attempts=2, delivered_at=NOW + 6_100, provider_ref="m-7"
    )
    tries = [
        attempt(told, 1, "retry", error="connection refused."),
        attempt(told, 2, at=NOW + 6_000, status=200),
    ]
    failed = event_alert(title="Training failed", job={"error": "RuntimeError: boom"}, labels={"node": "n1"})
    assert tell(failed, [decision()], [told], tries, UTC) == [
        "Training failed (critical job_failed)",
        "Alert alert-1; times are UTC.",
        "  2026-09-21 14:13:20  Seen: RuntimeError: boom",
        "  2026-09-21 14:13:20  Recorded on n1.",
        "",
        "ops (slack)",
        "  2026-09-21 14:13:20  The alert is sent: first notification.",
        "  2026-09-21 14:13:21  Attempt 1 failed: connection refused.",
        "  2026-09-21 14:13:26  Attempt 2 was accepted (status 200).",
        "  The alert was delivered at 2026-09-21 14:13:26 as the provider's m-7.",
    ]


def test_an_episode_that_rose_and_ended():
    over = alert(status=Status.RESOLVED, severity=Severity.CRITICAL, ends_at=NOW + 2_880_000)
    rise = decision(at=NOW + 60_000, kind=NotificationKind.ESCALATED, reason="severity rose")
    course = tell(over, [decision(), rise], [], [], UTC)[2:6]
    assert course == [
        "  2026-09-21 14:13:20  Seen: Disk 92 % full: /data",
        "  2026-09-21 14:13:20  Fired on n1.",
        "  2026-09-21 14:14:20  The severity rose to critical.",
        "  2026-09-21 15:01:20  Resolved after 48m 00s.",
    ]


def test_times_are_those_of_the_zone():
    lines = tell(alert(), [decision()], [], [], ZoneInfo("Asia/Tokyo"))
    assert "times are Asia/Tokyo" in lines[1]
    assert lines[2].startswith("  2026-09-21 23:13:20  ")


def test_what_was_seen_before_the_agent_noticed_keeps_its_own_time():
    late = event_alert(starts_at=NOW - 3_600_000, evidence=("first", "last line"))
    lines = tell(late, [decision()], [], [], UTC)
    assert lines[2:4] == ["  2026-09-21 13:13:20  Seen: last line", "  2026-09-21 14:13:20  Recorded on n1."]


def test_each_channel_has_a_part_of_its_own():
    second = decision("suppress", "not_taken", channel="pager")
    lines = tell(alert(), [decision(), second], [delivery()], [], UTC)
    assert lines[lines.index("ops (slack)") + 1 : lines.index("pager")] == [
        "  2026-09-21 14:13:20  The alert is sent: first notification.",
        "  The alert waits to be sent.",
        "",
    ]
    assert lines[-1] == "  2026-09-21 14:13:20  The alert is not sent: the channel does not take alerts of this type."


def test_an_alert_that_no_channel_was_asked_about():
    assert tell(alert(), [], [], [], UTC)[-1] == NOBODY


@pytest.mark.parametrize(
    ("verdict", "reason", "until", "expected"),
    [
        ("suppress", "silenced_by:s1", NOW + 60_000,
         "The alert is not sent: silence s1 covers it until 2026-09-21 14:14:20."),
        ("suppress", "below_min_severity", None,
         "The alert is not sent: the severity is below the channel's `min_severity`."),
        ("suppress", "not_matched", None, "The alert is not sent: its labels do not fit the channel's `match`."),
        ("suppress", "own_trouble", None,
         "The alert is not sent: the alert is about this channel's own trouble, which the other channels tell."),
        ("suppress", "resolved_before_told", None,
         "The alert is not sent: it was over before the channel was told that it had begun."),
        ("supersede", "superseded_by:0199", None, "The alert is not sent: alert 0199 tells it too."),
    ],
)  # fmt: skip
def test_a_verdict_in_words(verdict, reason, until, expected):
    lines = tell(alert(), [decision(verdict, reason, until=until)], [], [], UTC)
    assert lines[-1] == f"  2026-09-21 14:13:20  {expected}"


def test_a_delay_says_until_when():
    held = decision("defer", "cooldown", until=NOW + 60_000)
    why = "the channel was told of the same condition a short while ago"
    assert tell(alert(), [held], [], [], UTC)[-1].endswith(f"held back until 2026-09-21 14:14:20: {why}.")
    limited = decision("defer", "rate_limit", until=NOW + 60_000)
    assert " until 2026-09-21 14:14:20 at the latest: the channel has had" in tell(alert(), [limited], [], [], UTC)[-1]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": DeliveryState.DEAD, "reason": "too_old", "attempts": 9},
         "was given up: it waited for so long that nobody would profit from it any more. To try again: "),
        ({"state": DeliveryState.DEAD, "reason": "rejected", "attempts": 2},
         "was given up: the provider refused this message, in its short form too. To try again: "),
        ({"state": DeliveryState.DEAD, "reason": "undecodable", "attempts": 1},
         "was given up: its row in the database could not be read. To try again: "),
        ({"state": DeliveryState.SUPPRESSED, "reason": "dropped_by_user"},
         "is not sent: a person took it out of the queue."),
        ({"state": DeliveryState.SUPERSEDED, "reason": "superseded_by:dlv_2"},
         "is not sent by itself: a newer message on this channel tells it too."),
        ({"state": DeliveryState.QUEUED}, "waits to be sent."),
    ],
)  # fmt: skip
def test_how_a_delivery_stands(changes, expected):
    last = tell(alert(), [], [delivery(**changes)], [], UTC)[-1]
    assert last.startswith(f"  The alert {expected}")


def test_a_verdict_that_says_it_all_is_not_said_twice():
    row = delivery(state=DeliveryState.SUPPRESSED, reason="not_taken")
    lines = tell(alert(), [decision("suppress", "not_taken")], [row], [], UTC)
    assert len([line for line in lines if "does not take" in line]) == 1


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("retry", "failed"),
        ("limited", "met the provider's limit"),
        ("rejected", "was refused as it is"),
        ("misconfigured", "was refused, and will be until the configuration changes"),
        ("uncertain", "got no answer, so the message may have arrived"),
        ("unknown", "was cut short by the end of the agent, so the message may have arrived"),
    ],
)
def test_an_attempt_in_words(outcome, expected):
    row = delivery(attempts=1, next_at=NOW + 5_000)
    lines = tell(alert(), [decision()], [row], [attempt(row, outcome=outcome, error="HTTP 500")], UTC)
    due = "The next one is due at 2026-09-21 14:13:25."
    assert lines[-1] == f"  2026-09-21 14:13:21  Attempt 1 {expected}: HTTP 500. {due}"


def test_an_attempt_that_has_not_ended():
    row = delivery(state=DeliveryState.SENDING, attempts=1)
    lines = tell(alert(), [decision()], [row], [attempt(row, outcome=None)], UTC)
    assert lines[-1] == "  2026-09-21 14:13:21  Attempt 1 is under way."


def test_only_the_latest_attempt_tells_of_the_next_one():
    row = delivery(attempts=2, next_at=NOW + 9_000)
    tries = [attempt(row, 1, "unknown"), attempt(row, 2, "retry", at=NOW + 5_000)]
    lines = tell(alert(), [decision()], [row], tries, UTC)
    assert [line for line in lines if "due at" in line] == [
        "  2026-09-21 14:13:25  Attempt 2 failed. The next one is due at 2026-09-21 14:13:29."
    ]


def test_the_end_of_an_episode_is_told_as_such():
    done = decision(reason="resolved", kind=RESOLVED)
    assert tell(alert(), [done], [], [], UTC)[-1].endswith("The end is sent: resolved.")


def test_an_attempt_at_something_else_than_the_alert_says_so():
    row = delivery(kind=RESOLVED, state=DeliveryState.DELIVERED, attempts=1, delivered_at=NOW + 1_100)
    lines = tell(alert(), [decision(reason="resolved", kind=RESOLVED)], [row], [attempt(row)], UTC)
    assert lines[-2].endswith("Attempt 1 at the end was accepted.")


def test_a_code_that_nobody_knows_is_shown_as_it_is():
    assert words("phase_of_the_moon:full") == "phase_of_the_moon:full"


def test_rows_of_other_channels_do_not_mix():
    mine, other = delivery(), replace(delivery(), id="dlv_other", channel="other", attempts=1)
    lines = tell(alert(), [], [mine, other], [attempt(other)], UTC)
    assert "Attempt" not in "".join(lines[: lines.index("other (slack)")])


def test_a_digest_is_named_with_its_time():
    digest = replace(delivery(), id="dlv_d", kind=NotificationKind.DIGEST, delivered_at=NOW + 3_600_000)
    told = delivery(state=DeliveryState.DIGESTED, merged_into="dlv_d")
    assert tell(alert(), [], [told], [], UTC, {"dlv_d": digest})[-1] == (
        "  The alert was told as part of a digest at 2026-09-21 15:13:20."
    )
    waits = delivery(state=DeliveryState.DEFERRED, merged_into="dlv_d")
    assert tell(alert(), [], [waits], [], UTC, {"dlv_d": delivery()})[-1] == (
        "  The alert is told by the digest dlv_d, which waits to be sent."
    )
