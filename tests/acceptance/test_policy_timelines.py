"""Timelines of what explains what, and what keeps coming back (edge cases of the reference)."""

from agent.core.clock import HOUR, SECOND
from agent.core.model import AlertType, Severity, Status

DISK, ERROR, DEGRADED = AlertType.DISK_WARNING, AlertType.GPU_ERROR, AlertType.GPU_DEGRADED


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
