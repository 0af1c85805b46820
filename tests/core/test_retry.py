"""What follows from one attempt."""

import pytest

from agent.core import retry
from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.model import ChannelState, DeliveryState, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from tests.core.values import NOW, alert, delivery

CRITICAL = alert(severity=Severity.CRITICAL)


def after(kind, *, row=None, state=None, **error):
    row = row or delivery(state=DeliveryState.SENDING, attempts=1)
    return retry.after_failure(row, SendError(kind, "why", **error), state or ChannelState("ops"), NOW)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 15), (3, 45), (4, 135), (9, 3600), (500, 3600)])
def test_back_off_triples_up_to_its_cap_within_a_quarter(attempt, seconds):
    waits = [retry.backoff(attempt, HOUR, f"key{n}") / SECOND for n in range(200)]
    assert 0.75 * seconds <= min(waits) < max(waits) <= 1.25 * seconds
    assert retry.backoff(attempt, HOUR, "key1") == retry.backoff(attempt, HOUR, "key1")


def test_critical_deliveries_wait_a_quarter_of_an_hour_at_most():
    row = delivery(CRITICAL, attempts=20)
    settled, _ = after(SendErrorKind.RETRY, row=row)
    assert settled.next_at - NOW <= 1.25 * 15 * MINUTE


def test_a_failure_before_the_request_left_is_tried_again():
    settled, state = after(SendErrorKind.RETRY, reason="network")
    assert (settled.state, settled.uncertain) == (DeliveryState.QUEUED, False)
    assert (state.failures, state.paused_until, state.failing_since) == (1, None, NOW)
    assert state.reason == "network"


def test_an_unread_answer_makes_the_repeat_uncertain():
    settled, _ = after(SendErrorKind.UNCERTAIN)
    assert (settled.state, settled.uncertain) == (DeliveryState.QUEUED, True)
    assert after(SendErrorKind.RETRY, row=delivery(uncertain=True, attempts=2))[0].uncertain


def test_a_named_wait_pauses_the_whole_channel():
    settled, state = after(SendErrorKind.LIMITED, retry_after=30, reason="rate_limited")
    assert state.paused_until == settled.next_at == NOW + 30 * SECOND
    assert state.failures == 0


def test_a_limit_without_a_wait_pauses_for_half_a_minute_and_never_over_an_hour():
    assert after(SendErrorKind.LIMITED)[1].paused_until == NOW + 30 * SECOND
    assert after(SendErrorKind.LIMITED, retry_after=9e9)[1].paused_until == NOW + HOUR


def test_a_refused_message_is_sent_once_more_in_plain_and_then_given_up():
    settled, state = after(SendErrorKind.REJECTED)
    assert (settled.state, settled.plain, settled.next_at) == (DeliveryState.QUEUED, True, NOW)
    assert state.paused_until is None
    assert after(SendErrorKind.REJECTED, row=delivery(plain=True))[0].state is DeliveryState.DEAD


@pytest.mark.parametrize(("failures", "minutes"), [(0, 5), (1, 10), (2, 20), (9, 60)])
def test_a_misconfigured_channel_is_suspended_and_probed_slowly(failures, minutes):
    settled, state = after(
        SendErrorKind.MISCONFIGURED, state=ChannelState("ops", failures=failures), reason="auth_error"
    )
    assert settled.state is DeliveryState.QUEUED
    assert (state.paused_until, state.reason) == (NOW + minutes * MINUTE, "auth_error")


def test_a_receiver_that_is_gone_for_good_is_left_alone_until_somebody_acts():
    _, state = after(SendErrorKind.MISCONFIGURED, status=410, reason="gone")
    assert state.paused_until == retry.UNTIL_CHANGED
    assert not retry.paused(retry.lifted(state), NOW)


def test_the_circuit_opens_after_five_failures_and_a_success_closes_it():
    state = ChannelState("ops", failures=4, failing_since=NOW - HOUR)
    settled, state = after(SendErrorKind.RETRY, state=state, reason="server_error")
    assert retry.paused(state, NOW)
    assert settled.next_at <= state.paused_until <= NOW + 1.25 * 15 * MINUTE
    healthy = retry.after_success(state, NOW)
    assert (healthy.failures, healthy.paused_until, healthy.failure_count) == (0, None, 1)


def test_a_day_of_failures_costs_about_a_hundred_requests():
    state, now, requests = ChannelState("ops"), NOW, 0
    while now < NOW + DAY:
        row = delivery(CRITICAL, attempts=requests + 1)
        settled, state = retry.after_failure(row, SendError(SendErrorKind.RETRY, "down"), state, now)
        now = max(settled.next_at, state.paused_until or 0)
        requests += 1
    assert 90 <= requests <= 130


@pytest.mark.parametrize(
    ("severity", "kind", "days"),
    [
        (Severity.CRITICAL, NotificationKind.FIRED, 3),
        (Severity.WARNING, NotificationKind.FIRED, 3),
        (Severity.INFO, NotificationKind.FIRED, 1),
        (Severity.INFO, NotificationKind.RESOLVED, 3),
    ],
)
def test_deliveries_die_of_age(severity, kind, days):
    row = delivery(alert(severity=severity), kind=kind)
    assert not retry.too_old(row, NOW + days * DAY)
    assert retry.too_old(row, NOW + days * DAY + 1)
    assert retry.given_up(row, NOW).state is DeliveryState.DEAD
