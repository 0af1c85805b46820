"""Timelines of what explains what, what keeps coming back, and clocks that are set (edge cases of the reference)."""

import pytest

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.model import AlertType, DeliveryState, Severity, Status
from agent.core.policy.model import Recipient

DISK, ERROR, DEGRADED, FAILED = (
    AlertType.DISK_WARNING, AlertType.GPU_ERROR, AlertType.GPU_DEGRADED, AlertType.JOB_FAILED,
)  # fmt: skip


def of_gpu(rule):
    return {"gpu_uuid": "GPU-3", "rule": rule}


def test_e22_a_gpu_that_is_lost_is_one_message_with_what_else_is_affected(nodes):
    node = nodes()
    node.emit(ERROR, title="GPU lost: GPU 3", labels=of_gpu("gpu_lost"))
    for rule in ("temperature", "power_brake", "pcie_width"):
        node.emit(DEGRADED, title=f"GPU 3: {rule}", labels=of_gpu(rule))
    node.emit(ERROR, title="GPU 3: memory", labels=of_gpu("ecc_uncorrected"))
    node.emit(DEGRADED, title="GPU 4 is hot", labels={"gpu_uuid": "GPU-4", "rule": "temperature"})
    node.run(5)
    assert sorted(node.sent()) == [("gpu_degraded", "fired"), ("gpu_error", "fired")]
    lost = next(item.message for item in node.channels["ops"].sent if item.what[0] == "gpu_error")
    affected = dict(lost.facts)["Also affected"]
    assert {"GPU 3: temperature", "GPU 3: power_brake", "GPU 3: pcie_width", "GPU 3: memory"} == set(
        affected.split("; ")
    )
    node.emit(ERROR, Status.RESOLVED, labels=of_gpu("gpu_lost"))
    node.emit(DEGRADED, Status.RESOLVED, labels=of_gpu("power_brake"))
    node.run(30)
    assert node.sent()[2:] == [("gpu_error", "resolved")]
    node.run(45)
    assert len(node.sent()) == 6  # what goes on by itself: temperature, PCIe, memory


def test_a_critical_alert_of_the_same_thing_explains_the_warning(nodes):
    node = nodes()
    node.emit(DISK, severity=Severity.CRITICAL, labels={"mountpoint": "/data", "rule": "space"})
    node.emit(DISK, labels={"mountpoint": "/data", "rule": "inodes"})
    node.emit(DISK, labels={"mountpoint": "/home", "rule": "inodes"})
    node.emit(DISK, labels={"mount": "/x"})
    node.run(5)
    assert [row.reason.partition(":")[0] for row in node.deliveries() if row.reason] == ["inhibited_by"]


def test_a_mount_that_does_not_answer_explains_why_the_disks_are_not_watched(nodes):
    node = nodes()
    node.emit(DISK, title="Mount does not answer: /nfs", labels={"mountpoint": "/nfs", "rule": "stat_timeout"})
    node.emit(AlertType.AGENT_DEGRADED, title="Monitoring of disk is stuck", labels={"component": "disk"})
    node.emit(AlertType.AGENT_DEGRADED, title="Monitoring of gpu is stuck", labels={"component": "gpu"})
    node.run(5)
    assert [item.message.title for item in node.channels["ops"].sent] == [
        "Mount does not answer: /nfs", "Monitoring of gpu is stuck",
    ]  # fmt: skip


def test_e19_forty_changes_in_an_hour_are_three_messages(nodes):
    node = nodes()
    for _ in range(20):
        node.emit(DISK, labels={"mount": "/a"})
        node.run(90, step=5)
        node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
        node.run(90, step=5)
    node.emit(DISK, labels={"mount": "/a"})
    node.run(30 * 60, step=10)
    assert len(node.sent()) <= 3
    assert node.channels["ops"].sent[-1].message.status is Status.FIRING


def test_after_an_hour_of_rest_the_first_cooldown_is_back(nodes):
    node = nodes()
    for _ in range(3):
        node.emit(DISK, labels={"mount": "/a"})
        node.run(60, step=5)
        node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
        node.run(2 * HOUR // SECOND, step=30)
    assert [kind for _, kind in node.sent()] == ["fired", "resolved"] * 3


@pytest.mark.parametrize("way", [1, -1], ids=["forward", "back"])
def test_e16_a_clock_that_is_set_by_a_day_makes_no_storm_and_no_stall(nodes, clock, way):
    node = nodes(Recipient("ops", "slack"), Recipient("pager", "pagerduty", stateful=True))
    for number in range(12):
        node.emit(DISK, labels={"mount": f"/{number}"})
    node.run(HOUR // SECOND, step=30)
    before = len(node.sent())
    clock.jump(way * DAY // SECOND)
    node.run(60)
    assert len(node.sent()) - before <= 13  # reminders once each at most, and that the clock was set
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
