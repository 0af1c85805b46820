"""Timelines of a full state disk beside quiet hours and channels that fail: nothing is lost, and nothing told twice."""

from datetime import UTC, datetime

import pytest

from agent.core.clock import HOUR
from agent.core.model import AlertType, DeliveryState, NotificationKind, Status
from agent.core.policy.model import Recipient, Rules
from agent.core.policy.windows import QuietHours, Window
from agent.core.ports import SendError, SendErrorKind
from agent.runtime.clock import VirtualClock
from tests.support.disk import NodeOnADisk

CHAT, HOOK = Recipient("ops", "slack"), Recipient("hook", "webhook", program=True)
PAGER = Recipient("pager", "pagerduty", stateful=True)
NIGHT = Rules(quiet_hours=QuietHours((Window("night", 22 * 60, 7 * 60, UTC),)))
DOWN = SendError(SendErrorKind.RETRY, "down", reason="network")
REFUSED = SendError(SendErrorKind.REJECTED, "refused", reason="client_error", status=400)


def at(clock):
    return round(datetime.fromisoformat(f"2026-06-10T{clock}:00+00:00").timestamp() * 1_000)


@pytest.fixture
def evening(tmp_path):
    """Builds a node at 21:50, ten minutes before quiet hours."""
    made = []

    def make(*recipients, rules=NIGHT):
        made.append(NodeOnADisk(tmp_path / "state", VirtualClock(at("21:50")), *recipients, rules=rules))
        made[-1].run(1)
        return made[-1]

    yield make
    for node in made:
        node.close()


def told(node, channel, alert_type=AlertType.JOB_FAILED):
    return [kind for kind_of, kind in node.sent(channel) if kind_of == alert_type]


def test_what_was_sent_past_the_store_is_not_held_for_the_night_as_well(evening):
    node = evening(CHAT, HOOK)
    node.fill()
    node.emit(AlertType.JOB_FAILED, job={"id": "j"})
    node.run_until(at("22:30"))
    assert told(node, "ops") == told(node, "hook") == ["fired"]
    node.empty()
    node.run_until(at("22:30") + 10 * HOUR)
    assert told(node, "ops") == told(node, "hook") == ["fired"]
    rows = [row for row in node.deliveries() if row.snapshot.type is AlertType.JOB_FAILED]
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}


def test_who_was_told_past_the_store_that_something_fires_is_told_that_it_is_over(evening):
    node = evening(PAGER)
    node.fill()
    node.emit(AlertType.GPU_ERROR, labels={"gpu_uuid": "GPU-1"})
    node.run_until(at("22:10"))
    node.empty()
    node.emit(AlertType.GPU_ERROR, status=Status.RESOLVED, labels={"gpu_uuid": "GPU-1"})
    node.run(60)
    assert told(node, "pager", AlertType.GPU_ERROR) == ["fired", "resolved"]


def test_what_could_not_be_sent_before_there_was_space_again_keeps_quiet_hours(evening):
    node = evening(CHAT)
    node.channels["ops"].fail = [DOWN] * 100
    node.fill()
    node.emit(AlertType.JOB_FAILED, job={"id": "j"})
    node.run(10)
    node.empty()
    node.run_until(at("23:00"))
    node.channels["ops"].fail = []
    node.run_until(at("22:00") + 8 * HOUR)
    assert node.sent("ops") == []
    node.run_until(at("22:00") + 10 * HOUR)
    (digest,) = node.channels["ops"].sent
    assert digest.message.kind is NotificationKind.DIGEST
    assert sorted(member.type for member in digest.message.members) == [AlertType.AGENT_DEGRADED, AlertType.JOB_FAILED]


def test_what_waited_in_the_outbox_when_the_disk_filled_is_sent_as_well(evening):
    node = evening(CHAT)
    node.channels["ops"].fail = [DOWN] * 2
    node.emit(AlertType.JOB_FAILED, job={"id": "j"})
    node.emit(AlertType.JOB_COMPLETED, job={"id": "k"})
    node.run(2)
    assert node.sent("ops") == []
    node.fill()
    node.run(60)
    assert told(node, "ops") == ["fired"]
    assert told(node, "ops", AlertType.JOB_COMPLETED) == []  # it can wait
    node.empty()
    node.run(60)
    assert told(node, "ops") == told(node, "ops", AlertType.JOB_COMPLETED) == ["fired"]


def test_what_is_refused_past_the_store_is_tried_seldom_and_given_up_in_the_outbox(evening):
    node = evening(CHAT)
    node.channels["ops"].fail = [REFUSED] * 100
    node.fill()
    node.emit(AlertType.JOB_FAILED, job={"id": "j"})
    node.run(300)
    tried = 100 - len(node.channels["ops"].fail)
    assert tried <= 6  # two alerts, in full and in plain, each
    node.empty()
    node.run(60)
    assert {row.state for row in node.deliveries() if row.severity == 3} == {DeliveryState.DEAD}


def test_what_was_sent_past_the_store_is_not_in_the_digest_after_an_outage(evening):
    node = evening(CHAT, rules=Rules())
    node.channels["ops"].fail = [DOWN] * 100
    for number in range(3):
        node.emit(AlertType.JOB_FAILED, job={"id": f"before-{number}"})
    node.run(45 * 60, step=5)
    node.fill()
    node.channels["ops"].fail = []
    node.emit(AlertType.JOB_FAILED, job={"id": "meanwhile"})
    node.run(60)
    node.empty()
    node.run_until(at("22:30") + 10 * HOUR)
    members = [member.job["id"] for item in node.channels["ops"].sent for member in item.message.members if member.job]
    alone = [item.message.alert.job["id"] for item in node.channels["ops"].sent if item.message.alert.job]
    assert sorted(members + alone) == ["before-0", "before-1", "before-2", "meanwhile"]


def test_what_a_resolve_has_taken_the_place_of_is_not_sent_past_the_store_after_it(evening):
    node = evening(CHAT, rules=Rules())
    node.channels["ops"].fail = [DOWN] * 100
    node.emit(AlertType.GPU_ERROR, labels={"gpu_uuid": "GPU-1"})
    node.run(45 * 60, step=5)
    node.fill()
    node.channels["ops"].fail = []
    node.emit(AlertType.GPU_ERROR, status=Status.RESOLVED, labels={"gpu_uuid": "GPU-1"})
    node.run(20 * 60, step=5)
    node.empty()
    node.run(20 * 60, step=5)
    assert told(node, "ops", AlertType.GPU_ERROR) == ["resolved"]  # fired and resolved, in one message
