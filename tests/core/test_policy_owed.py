"""What a channel is owed, transition by transition."""

import pytest

from agent.core.clock import HOUR, MINUTE
from agent.core.model import DeliveryState, NotificationKind, Severity, Status
from agent.core.policy.model import Rules
from agent.core.policy.owed import DROPPED, owed
from tests.core.values import NOW, alert, delivery, event_alert, ledger, told

FIRED, ESCALATED, REPEATED, RESOLVED = (
    NotificationKind.FIRED,
    NotificationKind.ESCALATED,
    NotificationKind.REPEATED,
    NotificationKind.RESOLVED,
)
RULES = Rules()


def kind_owed(about, known=None, rows=(), now=NOW):
    due = owed(about, known or ledger(), rows, RULES, now)
    return due.kind if due else None


def test_a_new_episode_is_told_once():
    assert kind_owed(alert()) is FIRED
    assert kind_owed(alert(), rows=[delivery()]) is None
    assert kind_owed(alert(), told(), [delivery(state=DeliveryState.DELIVERED)]) is None


def test_a_one_shot_event_is_told_once_whatever_became_of_it():
    assert kind_owed(event_alert()) is FIRED
    for state in set(DeliveryState) - {DeliveryState.DEFERRED}:
        assert kind_owed(event_alert(), rows=[delivery(event_alert(), state=state)]) is None
    assert kind_owed(event_alert(), rows=[delivery(event_alert(), state=DeliveryState.DEFERRED)]) is FIRED


def test_a_rise_in_severity_is_told_at_once():
    critical = alert(severity=Severity.CRITICAL)
    assert kind_owed(critical, told(Severity.WARNING), [delivery(state=DeliveryState.DELIVERED)]) is ESCALATED
    assert kind_owed(critical, told(Severity.CRITICAL), [delivery(state=DeliveryState.DELIVERED)]) is None


def test_a_fall_in_severity_is_not_told():
    assert kind_owed(alert(), told(Severity.CRITICAL), [delivery(state=DeliveryState.DELIVERED)]) is None


@pytest.mark.parametrize("state", [DeliveryState.QUEUED, DeliveryState.DEFERRED])
def test_a_rise_replaces_what_waits_unsent(state):
    waiting = delivery(state=state)
    due = owed(alert(severity=Severity.CRITICAL), ledger(), [waiting], RULES, NOW)
    assert (due.kind, due.replaces) == (ESCALATED, waiting)


@pytest.mark.parametrize(("severity", "every"), [(Severity.CRITICAL, 4 * HOUR), (Severity.WARNING, 12 * HOUR)])
def test_reminders_count_from_the_last_accepted_message(severity, every):
    sent = [delivery(state=DeliveryState.DELIVERED)]
    known = told(severity, at=NOW)
    assert kind_owed(alert(severity=severity), known, sent, NOW + every - 1) is None
    assert kind_owed(alert(severity=severity), known, sent, NOW + every) is REPEATED


def test_info_is_never_repeated():
    sent = [delivery(state=DeliveryState.DELIVERED)]
    assert kind_owed(alert(severity=Severity.INFO), told(Severity.INFO), sent, NOW + 1000 * HOUR) is None


def test_who_was_told_firing_is_told_resolved():
    over = alert(status=Status.RESOLVED, ends_at=NOW + MINUTE)
    assert kind_owed(over, told(), [delivery(state=DeliveryState.DELIVERED)]) is RESOLVED


def test_who_was_not_told_is_not_told_resolved():
    over = alert(status=Status.RESOLVED, ends_at=NOW + MINUTE)
    assert owed(over, ledger(), (), RULES, NOW).why == "resolved before it was told"  # which is recorded, and not sent
    assert kind_owed(over, rows=[delivery(state=DeliveryState.SUPPRESSED, reason="not_taken")]) is None


def test_fired_and_resolved_while_the_channel_was_down_become_one_message():
    waiting = delivery()
    due = owed(alert(status=Status.RESOLVED, ends_at=NOW), ledger(), [waiting], RULES, NOW)
    assert (due.kind, due.replaces) == (RESOLVED, waiting)


def test_a_resolve_waits_for_the_message_that_is_on_its_way():
    assert kind_owed(alert(status=Status.RESOLVED, ends_at=NOW), rows=[delivery(state=DeliveryState.SENDING)]) is None


def test_a_ledger_of_an_earlier_episode_does_not_count():
    assert kind_owed(alert(id="alert-2"), told()) is FIRED


@pytest.mark.parametrize(
    "gone", [{"state": DeliveryState.DEAD}, {"state": DeliveryState.SUPPRESSED, "reason": DROPPED}]
)
def test_what_was_given_up_is_tried_again_at_the_repeat_interval(gone):
    rows = [delivery(**gone)]
    assert kind_owed(alert(), rows=rows, now=NOW + 12 * HOUR - 1) is None
    assert kind_owed(alert(), rows=rows, now=NOW + 12 * HOUR) is FIRED
