"""One round of policy: rows and reasons."""

import pytest

from agent.core.clock import MINUTE
from agent.core.model import (
    AlertType,
    DeliveryState,
    NotificationKind,
    Severity,
    Silence,
    Status,
)
from agent.core.policy.model import Context, Rules, TypeRule
from agent.core.policy.plan import plan
from tests.core.values import NOW, alert, delivery, event_alert, recipient, told


def decide(alerts, recipients=None, ledgers=(), rows=(), now=NOW, **context):
    by_channel = {}
    for row in rows:
        by_channel.setdefault((row.alert_id, row.channel), []).append(row)
    known = {(item.fingerprint, item.channel): item for item in ledgers}
    live = {item.id: item for item in alerts}
    return plan(alerts, recipients or [recipient()], known, by_channel, Context(alerts=live, **context), now)


def outcome(result):
    return [(row.kind, row.state, row.reason) for row in result.inserts]


def silence_of(**changes):
    values = {"id": "s1", "starts_at": NOW - 1, "ends_at": NOW + MINUTE, "author": "a", "comment": ""}
    return Silence(**(values | changes))


def test_an_alert_that_passes_every_stage_is_queued_with_its_reason():
    result = decide([alert()])
    assert outcome(result) == [(NotificationKind.FIRED, DeliveryState.QUEUED, None)]
    (decision,) = result.decisions
    assert (decision.channel, decision.verdict, decision.reason) == ("ops", "send", "first notification")


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        (recipient(alerts=frozenset({AlertType.GPU_OOM})), "not_taken"),
        (recipient(min_severity=Severity.CRITICAL), "below_min_severity"),
        (recipient(match={"node": "other-*"}), "not_matched"),
    ],
)
def test_what_a_channel_does_not_take_is_recorded_with_the_reason(channel, reason):
    result = decide([alert()], [channel])
    assert outcome(result) == [(NotificationKind.FIRED, DeliveryState.SUPPRESSED, reason)]


def test_a_verdict_that_stands_is_not_written_again():
    first = decide([alert()], [recipient(min_severity=Severity.CRITICAL)])
    again = decide([alert()], [recipient(min_severity=Severity.CRITICAL)], rows=first.inserts, now=NOW + 1000)
    assert (again.inserts, again.changes, again.decisions) == ([], [], [])


def test_a_channel_is_not_told_of_its_own_trouble():
    trouble = alert(type=AlertType.CHANNEL_FAILING, labels={"channel": "ops"})
    result = decide([trouble], [recipient("ops"), recipient("mail")])
    assert outcome(result) == [
        (NotificationKind.FIRED, DeliveryState.SUPPRESSED, "own_trouble"),
        (NotificationKind.FIRED, DeliveryState.QUEUED, None),
    ]


def test_a_type_that_is_off_by_default_goes_to_who_asks_for_it():
    started = event_alert(type=AlertType.JOB_STARTED, severity=Severity.INFO)
    asks = recipient("asks", alerts=frozenset({AlertType.JOB_STARTED}))
    assert [row.state for row in decide([started], [recipient(), asks]).inserts] == [
        DeliveryState.SUPPRESSED,
        DeliveryState.QUEUED,
    ]
    on = Rules({AlertType.JOB_STARTED: TypeRule(enabled=True)})
    assert [row.state for row in decide([started], rules=on).inserts] == [DeliveryState.QUEUED]


def test_a_silence_holds_until_it_ends_and_then_the_firing_alert_is_announced():
    quiet = silence_of(match={"type": "disk_*"})
    first = decide([alert()], silences=[quiet])
    assert outcome(first) == [(NotificationKind.FIRED, DeliveryState.SUPPRESSED, "silenced_by:s1")]
    assert first.wake_at == quiet.ends_at
    after = decide([alert()], silences=[quiet], rows=first.inserts, now=quiet.ends_at)
    assert outcome(after) == [(NotificationKind.FIRED, DeliveryState.QUEUED, None)]
    assert after.inserts[0].id != first.inserts[0].id


def test_a_resolve_passes_a_silence():
    over = alert(status=Status.RESOLVED, ends_at=NOW)
    rows = [delivery(state=DeliveryState.DELIVERED)]
    result = decide([over], ledgers=[told()], rows=rows, silences=[silence_of(alert_id="alert-1")])
    assert outcome(result) == [(NotificationKind.RESOLVED, DeliveryState.QUEUED, None)]


def test_a_condition_that_fires_again_soon_waits_for_the_cooldown():
    again = alert(id="alert-2", starts_at=NOW + MINUTE)
    result = decide([again], ledgers=[told(open_announced=False)], now=NOW + MINUTE)
    assert outcome(result) == [(NotificationKind.FIRED, DeliveryState.DEFERRED, "cooldown")]
    assert result.inserts[0].next_at == result.wake_at == NOW + 15 * MINUTE
    released = decide([again], ledgers=[told(open_announced=False)], rows=result.inserts, now=NOW + 15 * MINUTE)
    assert [(change.state, change.reason) for change in released.changes] == [(DeliveryState.QUEUED, None)]


def test_what_resolves_within_the_cooldown_is_not_told():
    waiting = delivery(alert(id="alert-2"), state=DeliveryState.DEFERRED, reason="cooldown")
    over = alert(id="alert-2", status=Status.RESOLVED, ends_at=NOW)
    result = decide([over], ledgers=[told(open_announced=False)], rows=[waiting])
    assert [(change.state, change.reason) for change in result.changes] == [
        (DeliveryState.SUPPRESSED, "resolved_before_told"),
    ]


def test_a_clock_set_back_does_not_lengthen_a_cooldown():
    future = told(open_announced=False, at=NOW + 1000 * MINUTE)
    result = decide([alert(id="alert-2")], ledgers=[future])
    assert result.inserts[0].next_at == NOW + 15 * MINUTE


def test_a_rise_in_severity_replaces_the_held_message():
    waiting = delivery(state=DeliveryState.DEFERRED, reason="cooldown")
    result = decide([alert(severity=Severity.CRITICAL)], rows=[waiting])
    (row,) = result.inserts
    assert (row.kind, row.state) == (NotificationKind.ESCALATED, DeliveryState.QUEUED)
    assert [(change.delivery_id, change.reason) for change in result.changes] == [
        (waiting.id, f"superseded_by:{row.id}"),
    ]


def test_one_failure_one_message():
    end = event_alert(id="end", job_id="j")
    cause = event_alert(id="cause", type=AlertType.GPU_OOM, fingerprint="c" * 32, cause_of="end", job_id="j")
    both, only_cause = recipient("both"), recipient("only", alerts=frozenset({AlertType.GPU_OOM}))
    rows = {
        (row.alert_id, row.channel): (row.state, row.reason) for row in decide([end, cause], [both, only_cause]).inserts
    }
    assert rows["end", "both"] == (DeliveryState.QUEUED, None)
    assert rows["cause", "both"] == (DeliveryState.SUPERSEDED, "superseded_by:end")
    assert rows["end", "only"] == (DeliveryState.SUPPRESSED, "not_taken")
    assert rows["cause", "only"] == (DeliveryState.QUEUED, None)


def test_the_resolve_of_a_told_cause_is_the_end_of_the_job_for_people_but_not_for_programs():
    end = event_alert(id="end")
    stall = alert(type=AlertType.TIMEOUT_WARNING, status=Status.RESOLVED, ends_at=NOW, cause_of="end")
    rows = [delivery(stall, state=DeliveryState.DELIVERED)]
    people = decide([end, stall], ledgers=[told()], rows=rows)
    assert (NotificationKind.RESOLVED, DeliveryState.SUPERSEDED, "superseded_by:end") in outcome(people)
    program = decide([end, stall], [recipient(program=True)], ledgers=[told()], rows=rows)
    assert (NotificationKind.RESOLVED, DeliveryState.QUEUED, None) in outcome(program)


def test_planning_twice_makes_the_same_ids():
    assert [row.id for row in decide([alert()]).inserts] == [row.id for row in decide([alert()]).inserts]


def test_a_new_channel_is_told_of_what_fires_and_the_old_one_is_not_told_again():
    rows = [delivery(state=DeliveryState.DELIVERED)]
    result = decide([alert()], [recipient(), recipient("new")], ledgers=[told()], rows=rows)
    assert [row.channel for row in result.inserts] == ["new"]
