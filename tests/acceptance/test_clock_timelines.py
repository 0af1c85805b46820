"""Timelines of clocks that are set: no storm, no stall, nothing told twice (section 12 of the reference)."""

from datetime import UTC

import pytest

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.model import AlertType, DeliveryState, Severity, Status
from agent.core.policy.bucket import RateLimit
from agent.core.policy.model import Grouping, Recipient, Rules
from agent.core.policy.windows import QuietHours, Window
from tests.support.timeline import Killed

DISK, FAILED = AlertType.DISK_WARNING, AlertType.JOB_FAILED
CHAT, HOOK = Recipient("ops", "slack"), Recipient("hook", "webhook", program=True)
PAGER = Recipient("pager", "pagerduty", stateful=True)
USUAL = Rules(grouping=Grouping(), rate_limit=RateLimit())
BY_THE_CLOCK = "Due all at once, since the clock was set."
QUIET = QuietHours((Window("afternoon", 15 * 60, 18 * 60, UTC),))
"""The clock of the tests begins at 14:13."""


def fire(node, count, **values):
    for number in range(count):
        node.emit(DISK, labels={"mount": f"/{number}"}, **values)


def since(node, before, channel="ops"):
    """What was told after the first `before` messages, but for the message about the clock."""
    sent = node.channels[channel].sent[before:]
    return [item.message for item in sent if item.message.alert.labels.get("component") != "clock"]


def kinds(messages):
    return [str(message.kind) for message in messages]


def reminders(node, channel):
    return [item for item in node.channels[channel].sent if item.message.kind == "repeated"]


@pytest.mark.parametrize("rules", [None, USUAL], ids=["plain", "usual"])
def test_twelve_reminders_that_fall_due_at_once_are_one_digest(nodes, clock, rules):
    node = nodes(CHAT, HOOK, PAGER, rules=rules)
    fire(node, 12)
    node.run(HOUR // SECOND, step=30)
    told = {name: len(node.sent(name)) for name in ("ops", "hook", "pager")}
    clock.jump(DAY // SECOND)
    node.run(20 * 60, step=5)
    for channel in ("ops", "hook"):
        (digest,) = since(node, told[channel], channel)
        assert (len(digest.members), digest.left_out) == (12, 0)
        assert digest.body == f"{BY_THE_CLOCK} 12 still firing."
    assert since(node, told["pager"], "pager") == []
    (at,) = [item.at for item in node.channels["hook"].sent if item.message.body.startswith(BY_THE_CLOCK)]
    node.run_until(at + 12 * HOUR - 1)
    assert reminders(node, "hook") == []
    node.run_until(at + 12 * HOUR + MINUTE)
    assert reminders(node, "hook") != []  # they count from the digest


def test_a_few_that_fall_due_at_once_are_told_as_always(nodes, clock):
    node = nodes()
    fire(node, 10)
    node.run(60)
    clock.jump(DAY // SECOND)
    node.run(20 * 60, step=5)
    assert kinds(since(node, 10)) == ["repeated"] * 10


def test_a_clock_set_back_makes_nothing_due(nodes, clock):
    node = nodes(rules=USUAL)
    fire(node, 12)
    node.run(HOUR // SECOND, step=30)
    told = len(node.sent())
    clock.jump(-DAY // SECOND)
    node.run(HOUR // SECOND, step=30)
    assert since(node, told) == []


def test_cooldowns_that_end_at_once_count_like_reminders(nodes, clock):
    node = nodes()
    fire(node, 6)
    node.run(13 * HOUR // SECOND, step=60)
    for status in (Status.FIRING, Status.RESOLVED, Status.FIRING):
        for number in range(6, 12):
            node.emit(DISK, status, labels={"mount": f"/{number}"})
        node.run(60, step=5)
    told = len(node.sent())
    clock.jump(12 * HOUR // SECOND)
    node.run(60)
    (digest,) = since(node, told)
    assert len(digest.members) == 12
    assert digest.body.startswith(BY_THE_CLOCK)


def test_what_is_new_is_told_by_itself_beside_the_digest(nodes, clock):
    node = nodes()
    fire(node, 12)
    node.run(60)
    clock.jump(DAY // SECOND)
    node.emit(FAILED, job={"id": "j"})
    node.emit(DISK, severity=Severity.CRITICAL, labels={"mount": "/0"})
    node.run(60)
    assert sorted(kinds(since(node, 12))) == ["digest", "escalated", "fired"]


def test_a_jump_within_quiet_hours_waits_for_their_end(nodes, clock):
    node = nodes(rules=Rules(quiet_hours=QUIET))
    fire(node, 12)
    node.run(50 * 60, step=30)  # until 15:03
    told = len(node.sent())
    clock.jump(DAY // SECOND)
    node.run(60 * 60, step=30)
    assert len(node.sent()) == told
    node.run(3 * HOUR // SECOND, step=60)
    (digest,) = since(node, told)
    assert "quiet hours" in digest.title
    assert len(digest.members) == 13  # the message about the clock as well


def test_a_jump_over_the_end_of_quiet_hours_tells_what_they_held_as_theirs(nodes, clock):
    node = nodes(rules=Rules(quiet_hours=QUIET))
    fire(node, 12)
    node.run(50 * 60, step=30)  # until 15:03
    for job in "ab":
        node.emit(FAILED, job={"id": job})
    node.run(60)
    clock.jump((DAY + 4 * HOUR) // SECOND)
    node.run(60)
    assert sorted(len(message.members) for message in since(node, 12)) == [2, 12]
    assert {message.body.partition(".")[0] for message in since(node, 12)} == {
        BY_THE_CLOCK.rstrip("."), "Held for quiet hours from 2026-09-21 15:03 to 19:04",
    }  # fmt: skip


@pytest.mark.parametrize("moment", ["noticed", "decided", "sent"])
def test_killed_right_after_the_jump(nodes, clock, moment, monkeypatch):
    """Once the step is noted, once the digest is stored, once the provider has taken it."""
    node = nodes()
    fire(node, 12)
    node.run(HOUR // SECOND, step=30)
    clock.jump(DAY // SECOND)
    if moment == "noticed":
        with monkeypatch.context() as broken:
            broken.setattr("agent.runtime.dispatch.store", kill)
            with pytest.raises(Killed):
                node.run()
    elif moment == "decided":
        node.evaluator.step(clock.now())
    else:
        node.channels["ops"].die_after_next = True
        with pytest.raises(Killed):
            node.run()
    node.restart()
    node.run(60)
    digests = [item for item in node.channels["ops"].sent[12:] if item.message.kind == "digest"]
    assert len({item.key for item in digests}) == 1
    assert [item.message.kind for item in node.channels["ops"].sent[12:]].count("repeated") == 0


def kill(conn, changes):
    raise Killed


@pytest.mark.parametrize("way", [1, -1], ids=["forward", "back"])
def test_e16_a_clock_that_is_set_by_a_day_makes_no_storm_and_no_stall(nodes, clock, way):
    node = nodes(Recipient("ops", "slack"), Recipient("pager", "pagerduty", stateful=True))
    for number in range(12):
        node.emit(DISK, labels={"mount": f"/{number}"})
    node.run(HOUR // SECOND, step=30)
    before = len(node.sent())
    clock.jump(way * DAY // SECOND)
    node.run(60)
    assert len(node.sent()) - before == (2 if way > 0 else 1)  # that the clock was set, and all reminders in one
    assert ("agent_degraded", "fired") in node.sent()
    node.emit(FAILED, job={"id": "j"})
    node.emit(DISK, Status.RESOLVED, labels={"mount": "/0"})
    node.run(15)
    assert node.sent()[-2:] == [("job_failed", "fired"), ("disk_warning", "resolved")]
    assert ("disk_warning", "resolved") in node.sent("pager")
    page, _ = node.metrics.page()
    assert b"gpuwarden_clock_jumps_total 1.0" in page
    told = len(node.sent())
    node.run(13 * HOUR // SECOND, step=60)
    assert len(node.sent()) - told >= 11  # and reminders go on


def test_a_small_step_of_the_clock_is_recorded_and_told_to_nobody(nodes, clock):
    node = nodes()
    node.run(5)
    clock.jump(5 * MINUTE // SECOND)
    node.run(5)
    assert node.sent() == []
    assert [(row.state, row.reason) for row in node.deliveries()] == [(DeliveryState.SUPPRESSED, "history_only")]


def test_nothing_is_too_old_because_the_clock_was_set(nodes, clock):
    node = nodes()
    node.emit(FAILED, job={"id": "j"})
    node.evaluator.step(clock.now())
    clock.jump(10 * DAY // SECOND)
    node.run(5)
    assert ("job_failed", "fired") in node.sent()
