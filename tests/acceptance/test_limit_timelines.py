"""Timelines of groups and limits: much at once, and what of it reaches people (sections 6 and 8 of the reference)."""

import time

import pytest

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.model import AlertType, DeliveryState, Severity, Status
from agent.core.policy.bucket import RateLimit
from agent.core.policy.model import Grouping, Recipient, Rules
from agent.core.ports import SendError, SendErrorKind

DISK, FAILED, DONE = AlertType.DISK_WARNING, AlertType.JOB_FAILED, AlertType.JOB_COMPLETED
LIMITED = Rules(rate_limit=RateLimit())
GROUPED = Rules(grouping=Grouping())
CHAT, HOOK = Recipient("ops", "slack"), Recipient("hook", "webhook", program=True)
PAGER = Recipient("pager", "pagerduty", stateful=True)


def kinds(node, channel="ops"):
    return [kind for _, kind in node.sent(channel)]


def digest(node, number=-1, channel="ops"):
    return [item.message for item in node.channels[channel].sent if item.message.kind == "digest"][number]


def warn(node, *mounts, status=None):
    for mount in mounts:
        node.emit(DISK, status, labels={"mount": mount})


# --- the rate limit ------------------------------------------------------------------------------------------------


def test_what_is_beyond_the_burst_comes_together_after_five_minutes(nodes, clock):
    node = nodes(CHAT, HOOK, PAGER, rules=LIMITED)
    warn(node, *"abcdefghij")
    node.run(4 * 60, step=5)
    assert kinds(node) == kinds(node, "hook") == ["fired"] * 4  # of six, a quarter is kept for critical alerts
    assert kinds(node, "pager") == ["fired"] * 10
    node.run(2 * 60, step=5)
    assert kinds(node) == ["fired"] * 4 + ["digest"]
    assert "Likely cause: 6 of 6 are disk_warning" in digest(node).body
    states = {row.state for row in node.deliveries() if row.channel == "ops"}
    assert states == {DeliveryState.DELIVERED, DeliveryState.DIGESTED}


def test_the_last_tokens_are_for_what_is_critical_and_then_one_digest_comes_at_once(nodes):
    node = nodes(rules=LIMITED)
    warn(node, *"abcdef")
    node.run(1)
    for number in range(4):
        node.emit(FAILED, job={"id": f"j{number}"})
    node.run(5)
    assert node.sent()[:6] == [("disk_warning", "fired")] * 4 + [("job_failed", "fired")] * 2
    assert kinds(node)[6:] == ["digest"]
    assert digest(node).severity is Severity.CRITICAL
    assert len(digest(node).members) == 4  # two more failures, with the warnings that waited


def fail(node, *jobs):
    for job in jobs:
        node.emit(FAILED, job={"id": str(job)})


def waits(node, clock):
    """How many seconds ago each message was sent, and what it was."""
    return [((clock.now().wall - item.at) // SECOND, str(item.message.kind)) for item in node.channels["ops"].sent]


def test_one_critical_alert_beyond_the_reserve_is_told_at_once_and_the_next_when_its_debt_is_paid(nodes, clock):
    node = nodes(rules=LIMITED)
    fail(node, *range(6))
    node.run(1)
    fail(node, "seventh")
    node.run(1)
    assert kinds(node) == ["fired"] * 7
    fail(node, "eighth")
    node.run(3 * 60)
    assert [kind for _, kind in waits(node, clock)] == ["fired"] * 8
    sent = [item.at for item in node.channels["ops"].sent]
    assert sent[7] - sent[6] == 2 * MINUTE - SECOND  # a token takes two minutes, and one second had dripped in before


def test_one_critical_alert_takes_along_what_waits(nodes):
    node = nodes(rules=LIMITED)
    warn(node, *"abcdef")
    node.run(1)
    fail(node, 1, 2)
    node.run(10)
    assert kinds(node) == ["fired"] * 6
    fail(node, 3)
    node.run(1)
    assert kinds(node) == ["fired"] * 6 + ["digest"]
    assert digest(node).severity is Severity.CRITICAL
    assert len(digest(node).members) == 3


def test_a_stream_of_critical_alerts_stays_within_the_limit(nodes):
    """One every 30 s for an hour: the burst, what drips in meanwhile, and one on credit."""
    node = nodes(rules=LIMITED)
    for number in range(120):
        fail(node, number)
        node.run(30, step=5)
    assert (kinds(node).count("fired"), kinds(node).count("digest")) == (9, 28)  # 37 messages: 6, 30 and 1
    node.run(10 * 60, step=5)
    assert all(row.state in (DeliveryState.DELIVERED, DeliveryState.DIGESTED) for row in node.deliveries())


def test_a_storm_of_critical_alerts_is_one_digest(nodes):
    node = nodes(rules=LIMITED)
    for number in range(60):
        fail(node, number)
        node.run(1)
    node.run(HOUR // SECOND, step=10)
    assert kinds(node) == ["fired"] * 7 + ["digest"]
    assert len(digest(node).members) + digest(node).left_out == 53
    assert all(row.state in (DeliveryState.DELIVERED, DeliveryState.DIGESTED) for row in node.deliveries())


def test_a_restart_does_not_fill_the_bucket_and_a_clock_set_back_adds_nothing(nodes, clock):
    node = nodes(rules=LIMITED)
    warn(node, *"abcd")
    node.run(1)
    node.restart()
    clock.jump(-HOUR // SECOND)
    warn(node, *"ef")
    node.run(2)
    assert kinds(node) == ["fired"] * 4
    node.run(10 * 60, step=5)
    assert kinds(node) == ["fired"] * 4 + ["digest"]


def test_two_hundred_wait_no_longer(nodes):
    node = nodes(rules=Rules(rate_limit=RateLimit(max_per_hour=3_600)))
    warn(node, *(f"m{number}" for number in range(210)))
    node.run(5)
    assert kinds(node) == ["fired"] * 4 + ["digest"]
    assert digest(node).left_out == 186


def test_a_channel_may_have_its_own_hourly_number(nodes):
    node = nodes(CHAT, Recipient("busy", "slack", max_per_hour=3_600), rules=LIMITED)
    for number in range(10):
        warn(node, str(number))
        node.run(2)
    assert (len(node.sent()), len(node.sent("busy"))) == (4, 10)


def test_a_digest_is_as_young_as_what_it_was_given_last(nodes):
    node = nodes(rules=LIMITED)
    node.channels["ops"].fail = [SendError(SendErrorKind.RETRY, "down")] * 1_000
    for number in range(9):
        node.emit(DONE, job={"id": f"j{number}"})
    node.run(20 * 3_600, step=60)
    warn(node, *"abcdefgh")
    node.run(5 * 3_600, step=60)  # events of severity info are given up after a day
    node.channels["ops"].fail = []
    node.run(2 * 3_600, step=60)
    told = [item.message for item in node.channels["ops"].sent]
    assert {member.labels["mount"] for message in told for member in message.members if "mount" in member.labels} | {
        message.alert.labels["mount"] for message in told if "mount" in message.alert.labels
    } == set("abcdefgh")
    given_up = {row.snapshot.type for row in node.deliveries() if row.state is DeliveryState.DEAD}
    assert given_up <= {DONE}


def test_one_that_waited_alone_is_told_as_itself(nodes):
    node = nodes(rules=LIMITED)
    warn(node, *"abcde")
    node.run(6 * 60, step=5)
    assert kinds(node) == ["fired"] * 5


def test_what_is_over_before_the_digest_is_told_by_it_as_over(nodes):
    node = nodes(rules=LIMITED)
    warn(node, *"abcdefg")
    node.run(30)
    warn(node, "f", status=Status.RESOLVED)
    node.run(6 * 60, step=5)
    assert [line.rpartition(" ")[2] for line in digest(node).evidence].count("resolved") == 1
    warn(node, *"aefg", status=Status.RESOLVED)  # f was told as over already
    node.run(20 * 60, step=5)
    assert kinds(node)[:6] == ["fired"] * 4 + ["digest", "resolved"]
    told = [item.message for item in node.channels["ops"].sent[5:]]
    assert {alert.id for message in told for alert in message.members or [message.alert]} == {
        row.alert_id for row in node.deliveries() if row.kind == "resolved" and row.snapshot.labels["mount"] in "aeg"
    }


# --- groups --------------------------------------------------------------------------------------------------------


def test_companions_come_along_in_ten_seconds_but_not_where_programs_read(nodes):
    node = nodes(CHAT, HOOK, PAGER, rules=GROUPED)
    warn(node, "a")
    node.run(4)
    warn(node, "b")
    node.run(5)
    assert kinds(node) == []
    assert kinds(node, "hook") == kinds(node, "pager") == ["fired", "fired"]
    node.run(2)
    assert kinds(node) == ["digest"]
    assert digest(node).title == "2 alerts: Disk trouble"


def test_the_next_of_a_group_waits_for_five_minutes_and_another_group_does_not(nodes, clock):
    node = nodes(rules=GROUPED)
    warn(node, "a")
    node.run(20)
    start = clock.now().wall
    warn(node, "b")
    node.emit(DONE, job={"id": "j"})
    node.run(15)
    assert node.sent() == [("disk_warning", "fired"), ("job_completed", "fired")]
    node.run(6 * 60, step=5)
    assert node.sent()[2:] == [("disk_warning", "fired")]
    assert 4 * MINUTE < node.channels["ops"].sent[2].at - start < 5 * MINUTE


def test_a_steady_trickle_starves_nobody(nodes):
    node = nodes(rules=GROUPED)
    for number in range(30):
        warn(node, str(number))
        node.run(1)
    assert kinds(node) == ["digest"]
    assert len(digest(node).members) == 10


def test_reminders_of_what_was_told_together_come_together(nodes):
    node = nodes(rules=GROUPED)
    warn(node, *"abc")
    node.run(30)
    assert kinds(node) == ["digest"]
    node.run(12 * HOUR // SECOND + 60, step=30)
    assert kinds(node) == ["digest", "digest"]
    assert len(digest(node).members) == 3
    warn(node, *"bc", status=Status.RESOLVED)
    node.run(12 * HOUR // SECOND + 60, step=30)
    assert kinds(node)[2:] == ["resolved", "resolved", "repeated"]


def test_critical_alerts_rises_and_ends_do_not_wait(nodes):
    node = nodes(rules=GROUPED)
    node.emit(FAILED, job={"id": "j"})
    node.run(1)
    assert node.sent() == [("job_failed", "fired")]
    warn(node, "a")
    node.run(11)
    node.emit(DISK, severity=Severity.CRITICAL, labels={"mount": "a"})
    node.run(1)
    warn(node, "a", status=Status.RESOLVED)
    node.run(1)
    assert node.sent()[1:] == [("disk_warning", "fired"), ("disk_warning", "escalated"), ("disk_warning", "resolved")]


def test_what_is_over_within_the_wait_is_not_told(nodes):
    node = nodes(rules=GROUPED)
    warn(node, "a")
    node.run(5)
    warn(node, "a", status=Status.RESOLVED)
    node.run(60)
    assert node.sent() == []
    assert [row.reason for row in node.deliveries()] == ["resolved_before_told"]


def test_the_wait_survives_a_restart(nodes, clock):
    node = nodes(rules=GROUPED)
    warn(node, "a")
    node.run(5)
    node.restart()
    node.run(4)
    assert kinds(node) == []
    node.run(2)
    assert kinds(node) == ["fired"]


# --- a storm -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("critical", [False, True], ids=["warnings", "critical"])
def test_e4_ten_thousand_events_in_a_minute(nodes, critical):
    """On 200 keys: every key is told of, in a handful of messages, and nothing is without an outcome."""
    node = nodes(CHAT, HOOK, rules=Rules(grouping=Grouping(), rate_limit=RateLimit()))
    severity = Severity.CRITICAL if critical else Severity.WARNING
    stored = 0.0
    for second in range(60):
        for number in range(10_000 // 60 + 1):
            key = (second * 167 + number) % 200
            status = Status.FIRING if (second + number) % 5 else Status.RESOLVED
            node.emit(DISK, status, severity, labels={"mount": f"/m{key}"})
        began = time.perf_counter()
        node.run(1)
        stored += time.perf_counter() - began
    node.run(HOUR // SECOND, step=30)
    assert stored < 30  # a machine that is busy; `make bench` measures it
    for channel in ("ops", "hook"):
        told = kinds(node, channel)
        assert len(told) - told.count("digest") <= 6
        assert len(told) <= 12
    undecided = [row for row in node.deliveries() if row.state.open]
    assert undecided == []
    marks = {row.fingerprint for row in node.deliveries() if row.kind != "digest"}
    assert len(marks) == 200
    page, _ = node.metrics.page()
    assert b'notifications_dropped_total{reason="store_refuses"} 0.0' in page


def test_e5_a_channel_that_is_down_for_a_day(nodes):
    node = nodes(rules=LIMITED)
    tries = []

    def down(message, key):
        tries.append(key)
        raise SendError(SendErrorKind.RETRY, "down", reason="network")

    works, node.channels["ops"].send = node.channels["ops"].send, down
    for number in range(24):
        for job in range(20):
            node.emit(FAILED, job={"id": f"j{number}-{job}"})
        warn(node, f"m{number}")
        node.run(HOUR // SECOND, step=60)
    assert 90 <= len(tries) <= 130
    assert not [row for row in node.deliveries() if row.state is DeliveryState.DEAD]
    node.channels["ops"].send = works
    node.run(HOUR // SECOND, step=60)
    assert kinds(node).count("digest") <= 3
    assert len(kinds(node)) < 12
    assert not [row for row in node.deliveries() if row.state.open]
