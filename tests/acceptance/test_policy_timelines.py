"""Timelines of what explains what, and what keeps coming back (edge cases of the reference)."""

import pytest

from agent.channels import webhook
from agent.core.clock import HOUR, SECOND
from agent.core.model import AlertType, Severity, Status
from agent.core.policy.model import Recipient
from agent.core.ports import SendError, SendErrorKind
from tests.support.timeline import Killed

DISK, ERROR, DEGRADED = AlertType.DISK_WARNING, AlertType.GPU_ERROR, AlertType.GPU_DEGRADED


CHAT, HOOK = Recipient("ops", "slack"), Recipient("hook", "webhook", program=True)
PAGER = Recipient("pager", "pagerduty", stateful=True)


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


def flap(node, times, *mounts):
    """Come and go every three minutes."""
    for _ in range(times):
        for status in (Status.FIRING, Status.RESOLVED):
            for mount in mounts or ("/a",):
                node.emit(DISK, status, labels={"mount": mount})
            node.run(90, step=5)


def bodies(node, channel="ops"):
    return [(str(item.message.kind), item.message.body) for item in node.channels[channel].sent]


def test_e19_forty_changes_in_an_hour_are_three_messages(nodes):
    node = nodes(CHAT, HOOK, PAGER)
    flap(node, 20)
    node.emit(DISK, labels={"mount": "/a"})
    node.run(30 * 60, step=10)
    for channel in ("ops", "hook"):
        assert bodies(node, channel) == [
            ("fired", ""), ("resolved", "Fired 14:13, resolved 14:14 (after 1m 30s)."),
            ("fired", "39 changes in 57m 00s, now firing."),
        ]  # fmt: skip
    assert "39 changes in 57m 00s, now firing." in webhook.body(node.channels["hook"].sent[-1].message).decode()
    assert not [body for _, body in bodies(node, "pager") if "changes" in body]
    node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
    node.run(5)
    assert bodies(node)[3:] == [("resolved", "Fired 15:13, resolved 15:43 (after 30m 00s).")]


def test_what_came_and_went_before_an_end_that_is_told_late(nodes, clock):
    node = nodes()
    flap(node, 3)
    node.emit(DISK, labels={"mount": "/a"})
    node.channels["ops"].fail = [SendError(SendErrorKind.RETRY, "down", reason="network")] * 99
    node.run(HOUR // SECOND, step=10)  # the cooldown ends while the channel is down
    node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
    node.run(60)
    node.channels["ops"].fail.clear()
    node.run(HOUR // SECOND, step=10)
    assert bodies(node)[2:] == [
        ("resolved", "6 changes in 1h 06m, now resolved. Fired 14:22, resolved 15:22 (delivery was delayed)."),
    ]


def test_lines_of_a_digest_tell_it_too(nodes):
    node = nodes()
    flap(node, 3, "/a", "/b")
    for mount in ("/a", "/b"):
        node.emit(DISK, title=f"{mount} is full", labels={"mount": mount})
    node.run(HOUR // SECOND, step=10)
    digest = node.channels["ops"].sent[-1].message
    assert sorted(digest.evidence) == [
        f"💾 /{mount} is full (5 changes in 6m 00s): still firing since 14:22 (51m 00s)" for mount in "ab"
    ]
    body = webhook.body(digest).decode()
    assert body.count("5 changes in 6m 00s, now firing.") == 2


def test_a_restart_and_a_second_attempt_tell_the_same(nodes):
    node = nodes()
    flap(node, 3)
    node.emit(DISK, labels={"mount": "/a"})
    node.channels["ops"].die_after_next = True
    with pytest.raises(Killed):
        node.run(2 * HOUR // SECOND, step=10)
    node.restart()
    node.run(5 * 60, step=10)
    assert [kind for kind, _ in bodies(node)] == ["fired", "resolved", "fired", "fired"]
    assert bodies(node)[2] == bodies(node)[3]


def test_a_fault_in_rendering_hides_no_change(nodes):
    node = nodes()
    flap(node, 3)
    node.emit(DISK, labels={"mount": "/a"})
    node.compose = None  # which nobody can call
    node.run(2 * HOUR // SECOND, step=10)
    assert bodies(node)[-1][1].startswith("5 changes in 6m 00s, now firing. The details could not be put into words")


def test_after_an_hour_of_rest_the_first_cooldown_is_back(nodes):
    node = nodes()
    for _ in range(3):
        node.emit(DISK, labels={"mount": "/a"})
        node.run(60, step=5)
        node.emit(DISK, Status.RESOLVED, labels={"mount": "/a"})
        node.run(2 * HOUR // SECOND, step=30)
    assert [kind for _, kind in node.sent()] == ["fired", "resolved"] * 3
