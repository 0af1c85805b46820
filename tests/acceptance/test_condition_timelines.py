"""Timelines of conditions: hysteresis, silences, reminders, reloads and restarts (edge cases of the reference)."""

from dataclasses import replace

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.disk_rules import DiskLimits
from agent.core.model import AlertType, DeliveryState, Severity, Silence, Status
from agent.core.policy.model import Recipient, Rules, TypeRule
from agent.runtime.evaluator_settings import Settings
from agent.runtime.health import Health
from tests.support.timeline import NODE

DISK = AlertType.DISK_WARNING


def disk_node(nodes, *recipients, **options):
    return nodes(*recipients, disk=DiskLimits(), **options)


def test_a_disk_that_fills_and_is_cleared(nodes):
    node = disk_node(nodes)
    node.disk(92)
    node.run(59)
    assert node.sent() == []
    node.run(1)
    assert node.sent() == [("disk_warning", "fired")]
    node.disk(98)
    node.run(1)
    assert node.sent()[1:] == [("disk_warning", "escalated")]
    node.disk(50)
    node.run(119)
    assert len(node.sent()) == 2
    node.run(2)
    assert node.sent()[2:] == [("disk_warning", "resolved")]
    (alert_id,) = node.alerts()[0]
    assert node.alert(alert_id).status is Status.RESOLVED
    assert {sent.message.alert.id for sent in node.channels["ops"].sent} == {alert_id}


def test_e17_a_silence_that_ends_while_the_condition_fires(nodes, clock):
    node = disk_node(nodes)
    until = clock.now().wall + HOUR
    node.silence(Silence("s1", clock.now().wall, until, "me", "maintenance", match={"type": "disk_warning"}))
    node.disk(95)
    node.run(HOUR // SECOND - 1, step=60)
    assert node.sent() == []
    node.run(3)
    assert node.sent() == [("disk_warning", "fired")]
    assert node.channels["ops"].sent[0].at <= until + 2 * SECOND
    states = [(row.state, row.reason) for row in node.deliveries()]
    assert states == [(DeliveryState.SUPPRESSED, "silenced_by:s1"), (DeliveryState.DELIVERED, None)]


def test_e18_a_value_that_hovers_at_the_threshold(nodes):
    node = disk_node(nodes)
    for n in range(360):
        node.disk(89.5 if n % 2 else 90.5)
        node.run(10, step=10)
    node.disk(80)
    node.run(300, step=10)
    assert node.sent() == []  # 60 s at the limit without a break never came together
    for n in range(360):
        node.disk(88 if n % 7 == 6 else 91)
        node.run(10, step=10)
    node.disk(80)
    node.run(300, step=10)
    assert node.sent() == [("disk_warning", "fired"), ("disk_warning", "resolved")]


def test_e23_an_alert_that_stays_open_for_ten_days(nodes, clock):
    node = disk_node(nodes)
    node.disk(95)
    start = clock.now().wall
    node.run(10 * DAY // SECOND, step=600)
    kinds = [kind for _, kind in node.sent()]
    assert kinds == ["fired"] + ["repeated"] * 19
    first, *reminders = node.channels["ops"].sent
    assert {sent.message.alert.starts_at for sent in reminders} == {first.message.alert.starts_at}
    assert first.message.alert.starts_at <= start + 10 * MINUTE
    gaps = {later.at - sooner.at for sooner, later in zip([first, *reminders], reminders, strict=False)}
    assert gaps == {12 * HOUR}


def test_a_reminder_tells_how_things_stand_and_a_change_alone_tells_nothing(nodes):
    node = disk_node(nodes)
    node.disk(92)
    node.run(HOUR // SECOND, step=60)
    (alert_id,) = node.alerts()[0]
    node.disk(96)
    node.run(10 * HOUR // SECOND, step=60)
    assert "96" in node.alert(alert_id).title
    assert node.sent() == [("disk_warning", "fired")]
    node.run(2 * HOUR // SECOND, step=60)
    fired, repeated = (item.message for item in node.channels["ops"].sent)
    assert ("92" in fired.title, "96" in repeated.title) == (True, True)
    assert repeated.alert.disk["used_percent"] == 96


def test_reminders_survive_a_restart(nodes):
    node = disk_node(nodes)
    node.disk(95)
    for _ in range(24):
        node.run(HOUR // SECOND, step=600)
        node.restart()
        node.disk(95)
    assert node.sent() == [("disk_warning", "fired"), ("disk_warning", "repeated")]


def test_e24_a_reload_with_fifty_open_alerts(nodes):
    node = nodes()
    for n in range(50):
        node.emit(AlertType.GPU_DEGRADED, labels={"gpu": str(n)})
    node.run(5)
    assert len(node.sent()) == 50
    node.settings = Settings(NODE, node.recipients, Rules({AlertType.GPU_DEGRADED: TypeRule(cooldown=MINUTE)}))
    node.run(HOUR // SECOND, step=10)
    node.restart()
    node.run(10)
    assert len(node.sent()) == 50


def test_a_condition_that_is_true_before_and_after_a_restart_is_told_once(nodes):
    node = disk_node(nodes)
    node.disk(95)
    node.run(60)
    node.restart()
    node.disk(95)
    node.run(300)
    assert node.sent() == [("disk_warning", "fired")]


def test_a_condition_that_ended_while_the_agent_was_down_is_resolved(nodes, clock):
    node = disk_node(nodes)
    node.disk(95)
    node.run(60)
    clock.advance(HOUR // SECOND)
    node.restart()
    node.disk(50)
    node.run(130)
    assert node.sent() == [("disk_warning", "fired"), ("disk_warning", "resolved")]


def test_a_disk_that_cannot_be_read_keeps_its_state(nodes):
    node = disk_node(nodes)
    node.disk(95)
    node.run(60)
    node.board.withdraw("disk")
    node.run(HOUR // SECOND, step=10)
    assert node.sent() == [("disk_warning", "fired")]


def test_flapping_within_the_cooldown_is_told_once_and_ends_with_the_truth(nodes):
    node = nodes()
    for _ in range(5):
        node.emit(AlertType.GPU_DEGRADED, labels={"gpu": "0"})
        node.run(30)
        node.emit(AlertType.GPU_DEGRADED, status=Status.RESOLVED, labels={"gpu": "0"})
        node.run(30)
    assert node.sent() == [("gpu_degraded", "fired"), ("gpu_degraded", "resolved")]
    reasons = [row.reason for row in node.deliveries() if row.state is DeliveryState.SUPPRESSED]
    assert reasons == ["resolved_before_told"] * 4


def test_a_person_ends_an_episode_by_hand(nodes):
    node = nodes()
    node.emit(AlertType.GPU_ERROR, labels={"gpu": "3"})
    node.run(1)
    ((alert_id,),) = node.alerts()
    node.resolve(alert_id)
    node.run(1)
    assert node.sent() == [("gpu_error", "fired"), ("gpu_error", "resolved")]


def test_what_no_channel_takes_is_recorded_with_the_reason(nodes):
    node = nodes(Recipient("ops", "slack", min_severity=Severity.CRITICAL))
    node.emit(AlertType.JOB_COMPLETED, job={"id": "j"})
    node.run(1)
    ((alert_id,),) = node.alerts()
    assert [(item.verdict, item.reason) for item in node.decisions(alert_id)] == [("suppress", "below_min_severity")]


def test_a_one_shot_event_is_told_once_a_day_and_attempt(nodes):
    node = nodes()
    for attempt in (1, 1, 2):
        node.emit(AlertType.JOB_FAILED, job={"id": "j", "attempt": attempt})
        node.run(60)
    assert node.sent() == [("job_failed", "fired")] * 2


def test_events_without_a_job_are_each_their_own(nodes):
    node = nodes()
    for _ in range(3):
        node.emit(AlertType.JOB_COMPLETED, title="nightly export")
    node.run(1)
    assert len(node.sent()) == 3


def test_nothing_in_the_history_is_without_an_outcome(nodes):
    node = disk_node(nodes, Recipient("ops", "slack"), Recipient("hook", "webhook", program=True))
    node.disk(99)
    node.emit(AlertType.JOB_STARTED, job={"id": "j"})
    node.emit(AlertType.GPU_IDLE)
    node.run(120)
    told = {(row.alert_id, row.channel) for row in node.deliveries()}
    assert told == {(row[0], channel) for row in node.alerts() for channel in ("ops", "hook")}
    assert not any(row.state.open for row in node.deliveries())


def test_a_new_limit_is_judged_though_the_disk_has_not_changed(nodes):
    node = disk_node(nodes)
    node.disk(85)
    node.run(10)
    node.settings = replace(node.settings, disk=DiskLimits(warn_percent=80))
    node.run(60)
    assert node.sent() == [("disk_warning", "fired")]


def test_a_source_that_gets_stuck_after_a_quiet_time_is_told(nodes, clock):
    node = disk_node(nodes)
    node.board.enrol(Health("disk", 30.0, 90.0, source=True))
    node.disk(50)
    node.run(10)
    node.board.began("disk", clock.now())
    node.run(90)
    assert node.sent() == []
    node.run(1)
    assert node.sent() == [("agent_degraded", "fired")]
