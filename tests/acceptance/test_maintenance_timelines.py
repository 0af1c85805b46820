"""Timelines of a node that is to go down, and of one that people work on."""

import pytest

from agent.core.clock import HOUR, MINUTE
from agent.core.model import AlertType, Silence, Status
from agent.sources.shutdown import ShutdownSource
from tests.support.timeline import NODE

DISK, STALL, ERROR, FAILED, OOM, DEGRADED = (
    AlertType.DISK_WARNING, AlertType.TIMEOUT_WARNING, AlertType.GPU_ERROR, AlertType.JOB_FAILED, AlertType.GPU_OOM,
    AlertType.AGENT_DEGRADED,
)  # fmt: skip
NOTICE = ("agent_degraded", "fired", "A reboot of the node is scheduled")
OVER = ("agent_degraded", "resolved", "Resolved: A reboot of the node is scheduled")


class Scheduled:
    """A node whose shutdowns are scheduled in a file of its own."""

    def __init__(self, node, path):
        self.node, self.path = node, path
        node.follow(lambda board, ring: ShutdownSource(path))

    def reboot(self, after):
        at = self.node.clock.now().wall + after
        self.path.write_text(f"USEC={at}000\nWARN_WALL=1\nMODE=reboot\n")
        self.node.settle()

    def cancel(self):
        self.path.unlink()
        self.node.settle()

    def later(self, milliseconds):
        self.node.run_until(self.node.clock.now().wall + milliseconds)

    def told(self):
        """What was sent since the last time."""
        sent, self.node.channels["ops"].sent = self.node.channels["ops"].sent, []
        return [(*item.what, item.message.title) for item in sent]


@pytest.fixture
def node(nodes):
    return nodes()


@pytest.fixture
def scheduled(node, tmp_path):
    return Scheduled(node, tmp_path / "scheduled")


def trouble(node):
    """Whatever goes wrong on a node that is being emptied."""
    node.emit(DISK, title="Mount does not answer: /data", labels={"mountpoint": "/data", "rule": "stat_timeout"})
    node.emit(ERROR, title="The GPU driver is gone", labels={"rule": "driver_lost"})
    node.emit(STALL, title="Training hangs", job={"id": "j"})
    node.emit(DEGRADED, title="Monitoring of logs is failing", labels={"component": "logs"})


def test_a_reboot_is_told_when_it_is_scheduled_and_when_it_is_called_off(scheduled):
    scheduled.reboot(HOUR)
    assert scheduled.told() == [NOTICE]
    scheduled.later(20 * MINUTE)
    scheduled.cancel()
    scheduled.later(MINUTE)
    assert scheduled.told() == [OVER]


def test_until_the_last_minutes_everything_is_told(scheduled, node):
    scheduled.reboot(HOUR)
    scheduled.later(50 * MINUTE)
    scheduled.told()
    trouble(node)
    scheduled.later(MINUTE)
    assert len(scheduled.told()) == 4


def test_in_the_last_minutes_only_what_becomes_of_jobs_is_told(scheduled, node):
    scheduled.reboot(HOUR)
    scheduled.later(56 * MINUTE)
    assert scheduled.told() == [NOTICE]
    trouble(node)
    node.emit(OOM, title="GPU out of memory", job={"id": "j"})
    node.emit(FAILED, title="Training failed", job={"id": "j"})
    scheduled.later(3 * MINUTE)
    assert {title for _, _, title in scheduled.told()} == {"GPU out of memory", "Training failed"}


def test_a_reboot_within_a_minute_is_told_too(scheduled, node):
    trouble(node)
    scheduled.reboot(MINUTE)
    scheduled.later(MINUTE)
    assert scheduled.told() == [NOTICE]


def test_who_was_told_that_something_fires_is_told_that_it_is_over(scheduled, node):
    node.emit(DISK, title="Disk full", labels={"mountpoint": "/data"})
    scheduled.reboot(HOUR)
    scheduled.later(56 * MINUTE)
    scheduled.told()
    node.emit(DISK, Status.RESOLVED, labels={"mountpoint": "/data"})
    scheduled.later(MINUTE)
    assert scheduled.told() == [("disk_warning", "resolved", "Resolved: Disk full")]


def test_what_outlasts_a_reboot_is_told_a_minute_after_the_node_is_back(scheduled, node, clock):
    scheduled.reboot(HOUR)
    scheduled.later(58 * MINUTE)
    trouble(node)
    scheduled.later(MINUTE)
    scheduled.told()
    scheduled.path.unlink()
    clock.advance(300)
    node.restart()
    node.emit(ERROR, Status.RESOLVED, labels={"rule": "driver_lost"})
    node.settle()
    assert scheduled.told() == [OVER]
    scheduled.later(2 * MINUTE)
    assert {title for _, _, title in scheduled.told()} == {
        "Mount does not answer: /data", "Training hangs", "Monitoring of logs is failing",
    }  # fmt: skip


def test_a_restart_of_the_agent_alone_changes_nothing(scheduled, node):
    scheduled.reboot(HOUR)
    scheduled.later(57 * MINUTE)
    scheduled.told()
    node.restart()
    trouble(node)
    scheduled.later(MINUTE)
    assert scheduled.told() == []


def test_maintenance_is_a_silence_of_the_node_that_lets_the_ends_of_jobs_pass(scheduled, node, clock):
    now = clock.now().wall
    node.silence(Silence("s1", now, now + 2 * HOUR, "me", "new disks", match={"node": NODE}))
    trouble(node)
    node.emit(OOM, job={"id": "j"}, title="GPU out of memory")
    node.emit(FAILED, job={"id": "j"}, title="Training failed")
    scheduled.reboot(HOUR)
    scheduled.later(HOUR)
    assert sorted(scheduled.told()) == [NOTICE, ("job_failed", "fired", "Training failed")]
    scheduled.cancel()
    scheduled.later(2 * MINUTE)
    assert scheduled.told() == [OVER]
    scheduled.later(HOUR)
    assert len(scheduled.told()) == 4  # what still fires


def test_a_silence_that_names_more_than_the_node_covers_jobs_too(scheduled, node, clock):
    now = clock.now().wall
    node.silence(Silence("s1", now, now + HOUR, "me", "", match={"node": NODE, "type": "job_*"}))
    node.emit(FAILED, job={"id": "j"}, title="Training failed")
    scheduled.later(MINUTE)
    assert scheduled.told() == []
