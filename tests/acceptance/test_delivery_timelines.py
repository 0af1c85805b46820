"""Timelines of delivery: what happens when a process, a provider or a network fails (edge cases of the reference)."""

import pytest

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.model import AlertType, DeliveryState
from agent.core.policy.model import Recipient
from agent.core.ports import SendError, SendErrorKind
from tests.support.timeline import Killed

FAILED = AlertType.JOB_FAILED


def failing(kind=SendErrorKind.RETRY, **values):
    return SendError(kind, "why", **values)


def about(alert_type, node):
    return [row for row in node.deliveries() if row.snapshot.type is alert_type]


def test_e1_killed_between_the_outbox_and_the_send(nodes):
    node = nodes()
    node.emit(FAILED, job={"id": "j"})
    node.evaluator.step(node.clock.now())
    node.restart()
    node.run(60)
    assert node.sent() == [("job_failed", "fired")]


def test_e2_killed_after_the_provider_accepted_and_before_the_commit(nodes):
    node = nodes()
    node.channels["ops"].die_after_next = True
    node.emit(FAILED, job={"id": "j"})
    with pytest.raises(Killed):
        node.run()
    node.restart()
    node.run(60)
    first, second = node.channels["ops"].sent
    assert first.key == second.key
    assert "may repeat" not in first.message.footer
    assert "may repeat" in second.message.footer


def test_e6_a_provider_that_asks_for_a_pause(nodes, clock):
    node = nodes(Recipient("slack", "slack"), Recipient("hook", "webhook"))
    node.channels["slack"].fail = [failing(SendErrorKind.LIMITED, retry_after=30, reason="rate_limited", status=429)]
    start = clock.now().wall
    for n in range(3):
        node.emit(FAILED, job={"id": f"j{n}"})
    node.run()
    assert len(node.channels["hook"].sent) == 3
    node.run(29)
    assert node.channels["slack"].sent == []
    node.run(30)
    assert len({item.key for item in node.channels["slack"].sent}) == 3
    assert all(item.at >= start + 30 * SECOND for item in node.channels["slack"].sent)


@pytest.mark.parametrize(("status", "reason"), [(401, "auth_error"), (403, "auth_error"), (404, "gone")])
def test_e7_a_revoked_credential_suspends_the_channel_and_loses_nothing(nodes, status, reason):
    node = nodes(Recipient("slack", "slack"), Recipient("mail", "email"))
    refuse = failing(SendErrorKind.MISCONFIGURED, status=status, reason=reason)
    node.channels["slack"].fail = [refuse] * 2
    node.emit(FAILED, job={"id": "j1"})
    node.run(60)
    node.emit(FAILED, job={"id": "j2"})
    node.run(3 * 60)
    assert node.sent("slack") == []
    assert node.sent("mail").count(("channel_failing", "fired")) == 1
    assert node.sent("mail").count(("job_failed", "fired")) == 2
    node.run(20 * 60, step=10)  # the probes after 5 and 10 min; the second finds the channel mended
    assert node.sent("slack") == [("job_failed", "fired")] * 2
    assert node.sent("mail").count(("channel_failing", "resolved")) == 1


def test_e9_a_message_that_is_refused_as_it_is_goes_out_in_plain(nodes):
    node = nodes()
    node.channels["ops"].fail = [failing(SendErrorKind.REJECTED, status=400)]
    node.emit(FAILED, job={"id": "j"}, message="long " * 20_000)
    node.run()
    (sent,) = node.channels["ops"].sent
    assert sent.message.plain
    assert len(sent.message.body) < 5_000


def test_e10_a_fault_in_rendering_degrades_to_the_built_in_text(nodes):
    def broken(alert, *args, **kwargs):
        raise KeyError("odd data")

    node = nodes()
    node.compose = broken
    node.emit(FAILED, job={"id": "j"}, title="Cannot be rendered")
    node.run()
    (sent,) = node.channels["ops"].sent
    assert sent.message.title == "Training failed"
    page, _ = node.metrics.page()
    assert b'notification_requests_failed_total{channel="ops",integration="slack"} 1.0' in page


def test_e10_a_fault_in_the_adapter_degrades_too(nodes):
    node = nodes()
    node.channels["ops"].fail = [ValueError("adapter bug")]
    node.emit(FAILED, job={"id": "j"})
    node.run()
    assert node.sent() == [("job_failed", "fired")]


def test_a_message_that_cannot_be_rendered_at_all_is_dead_and_blocks_nobody(nodes):
    node = nodes(Recipient("ops", "slack"), Recipient("mail", "email"))
    node.channels["ops"].fail = [ValueError("bug")] * 4
    node.emit(FAILED, job={"id": "j1"})
    node.run()
    node.emit(FAILED, job={"id": "j2"})
    node.run(10)
    assert node.sent("ops") == [("job_failed", "fired")]
    assert [row.state for row in about(FAILED, node) if row.channel == "ops"] == [
        DeliveryState.DEAD,
        DeliveryState.DELIVERED,
    ]
    assert ("channel_failing", "fired") in node.sent("mail")


def test_e26_a_network_that_is_down_when_it_happens(nodes):
    node = nodes()
    node.channels["ops"].fail = [failing(reason="network")] * 2
    node.emit(FAILED, job={"id": "j"})
    node.run(4)
    assert node.sent() == []
    node.run(30)
    assert node.sent() == [("job_failed", "fired")]
    (row,) = node.deliveries()
    assert (row.state, row.attempts, row.last_error) == (DeliveryState.DELIVERED, 3, "why")


def test_an_outage_of_a_day_costs_about_a_hundred_requests(nodes):
    node = nodes()
    attempts = node.channels["ops"].fail = [failing()] * 10_000
    for n in range(20):
        node.emit(FAILED, job={"id": f"j{n}"})
    node.run(DAY // SECOND, step=30)
    assert 60 <= 10_000 - len(attempts) <= 200
    attempts.clear()
    node.run(HOUR // SECOND, step=10)
    first, rest = (item.message for item in node.channels["ops"].sent)
    assert (first.alert.type, len(rest.members), rest.title) == (FAILED, 19, "19 alerts that could not be delivered")


def test_nothing_is_given_up_before_three_days(nodes):
    node = nodes()
    node.channels["ops"].fail = [failing()] * 10_000
    node.emit(FAILED, job={"id": "j"})
    node.run(3 * DAY // SECOND - 120, step=60)
    assert [row.state for row in about(FAILED, node)] == [DeliveryState.QUEUED]
    node.run(HOUR // SECOND, step=60)
    (row,) = about(FAILED, node)
    assert (row.state, row.reason) == (DeliveryState.DEAD, "too_old")


def test_the_provider_is_told_the_present_state_when_it_is_told_late(nodes):
    node = nodes()
    node.channels["ops"].fail = [failing()] * 8
    node.emit(AlertType.GPU_ERROR, labels={"gpu": "3"})
    node.run(10 * MINUTE // SECOND)
    node.emit(AlertType.GPU_ERROR, status="resolved", labels={"gpu": "3"})
    node.run(2 * HOUR // SECOND, step=5)
    (sent,) = node.channels["ops"].sent
    assert sent.what == ("gpu_error", "resolved")
    assert "delayed" in sent.message.body


def test_an_event_that_cannot_be_judged_blocks_no_other(nodes, monkeypatch):
    node = nodes()
    judged = node.evaluator._take

    def broken(event, changes, now):
        if event.fact.job["id"] == "odd":
            raise ZeroDivisionError("a bug")
        judged(event, changes, now)

    monkeypatch.setattr(node.evaluator, "_take", broken)
    for name in ("before", "odd", "after"):
        node.emit(FAILED, job={"id": name})
    node.run(5)
    assert [sent.message.alert.job_id for sent in node.channels["ops"].sent] == ["before", "after"]


def test_a_round_that_fails_half_way_is_taken_up_by_the_next(nodes, monkeypatch):
    node = nodes()
    node.emit(FAILED, job={"id": "j"})
    with monkeypatch.context() as patch:
        patch.setattr(node.evaluator, "_judge_conditions", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            node.evaluator.step(node.clock.now())
    node.run(5)
    assert node.sent() == [("job_failed", "fired")]
