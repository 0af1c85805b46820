"""What the kernel writes about GPUs and disks, to the messages that come of it."""

import pytest

from agent.core.disk_rules import DiskLimits
from agent.core.facts import KernelSeen
from agent.core.kernel_log import KernelKind
from tests.support.gpus import TRAINS, ScriptedGpus
from tests.support.livelog import BOOT, LiveLog

PID = 4_000
PCI = "0000:03:00"


class Run:
    """A job on the last of four GPUs."""

    def __init__(self, nodes, folder):
        self.node = nodes()
        self.log = LiveLog(self.node, folder / "train.log", watched=False)
        self.gpus = ScriptedGpus(self.node, 4)
        self.log.start(pid=PID)
        self.gpus.does[3], self.gpus.on[3] = TRAINS, ((PID, 1 << 30, "python3"),)
        self.log.say("step 7/5000 loss 0.5")
        self.node.run(20, step=10)

    def xid(self, number, text, pid=None):
        fact = KernelSeen(
            BOOT, KernelKind.XID, f"NVRM: Xid (PCI:{PCI}): {number}, {text}", self.node.clock.now().wall, pci=PCI,
            xid=number, pid=pid,
        )  # fmt: skip
        self.node.tell(fact)
        self.node.run(1)

    def failed(self):
        return next(item.message for item in self.node.channels["ops"].sent if item.what[0] == "job_failed")


@pytest.mark.parametrize("pid", [PID, None])
def test_a_critical_xid_is_the_reason_of_the_job_that_it_ends(nodes, tmp_path, pid):
    run = Run(nodes, tmp_path)
    run.xid(95, "uncontained memory error", pid)
    run.log.say("RuntimeError: NCCL communicator was aborted")
    run.log.end(1)
    run.node.run(10)

    alert = run.failed().alert
    assert alert.job["reason"] == "xid"
    assert any("Xid (PCI:0000:03:00): 95" in line for line in alert.evidence)


def test_what_the_application_did_itself_is_evidence_beside_its_own_words(nodes, tmp_path):
    run = Run(nodes, tmp_path)
    run.xid(31, f"pid={PID}, name=python3, MMU Fault", PID)
    run.log.say("torch.AcceleratorError: CUDA error: an illegal memory access was encountered")
    run.log.end(1)
    run.node.run(10)

    alert = run.failed().alert
    assert alert.job["reason"] == "crash"
    assert any("MMU Fault" in line for line in alert.evidence)
    assert [item.what[0] for item in run.node.channels["ops"].sent] == ["job_failed"]


def test_a_job_that_is_through_when_its_gpu_fails_has_not_failed(nodes, tmp_path):
    run = Run(nodes, tmp_path)
    run.xid(95, "uncontained memory error", PID)
    run.log.end(0)
    run.node.run(10)

    assert ("job_completed", "fired") in run.node.sent()


def test_the_fault_of_a_gpu_is_no_matter_of_jobs_on_others(nodes, tmp_path):
    run = Run(nodes, tmp_path)
    run.gpus.on[2], run.gpus.on[3] = run.gpus.on[3], ()
    run.node.run(20, step=10)
    run.xid(95, "uncontained memory error")
    run.log.end(1)
    run.node.run(10)

    assert run.failed().alert.job["reason"] == "exit"


def test_an_error_of_a_disk_is_told_at_once_and_is_over_after_half_an_hour(nodes, clock):
    node = nodes(disk=DiskLimits(forecast=False))
    node.disk(50)
    node.run(5)
    node.tell(KernelSeen(BOOT, KernelKind.DISK_IO, "Buffer I/O error on dev sda1, block 7", 0, device="sda1"))
    node.tell(KernelSeen(BOOT, KernelKind.DISK_IO, "Buffer I/O error on dev sdb1, block 7", 0, device="sdb1"))
    node.run(1)
    (message,) = [item.message for item in node.channels["ops"].sent]
    assert (message.alert.title, str(message.alert.severity)) == ("Disk error: /data", "critical")
    assert "The kernel said: Buffer I/O error on dev sda1, block 7" in message.alert.message

    node.restart()
    node.disk(50)
    node.run(1_700, step=100)
    assert len(node.sent()) == 1
    node.run(200, step=100)
    assert node.sent()[1:] == [("disk_warning", "resolved")]


def test_an_error_of_a_disk_concerns_what_stands_on_it(nodes):
    node = nodes(disk=DiskLimits(forecast=False))
    node.disk(50)
    node.run(5)
    line = "I/O error, dev nvme1n1, sector 2048 op 0x0:(READ)"
    node.tell(KernelSeen(BOOT, KernelKind.DISK_IO, line, 0, device="nvme1n1", affected=("md0", "nvme1n1")))
    node.run(1)
    assert node.sent() == []
    node.tell(KernelSeen(BOOT, KernelKind.DISK_IO, line, 0, device="nvme1n1", affected=("nvme1n1", "sda1")))
    node.run(1)
    assert [item.message.alert.title for item in node.channels["ops"].sent] == ["Disk error: /data"]


def test_a_file_system_that_the_kernel_makes_read_only_is_told_before_the_next_look(nodes):
    node = nodes(disk=DiskLimits(forecast=False))
    node.disk(50)
    node.run(5)
    line = "EXT4-fs (sda1): Remounting filesystem read-only"
    node.tell(KernelSeen(BOOT, KernelKind.READ_ONLY, line, 0, device="sda1"))
    node.run(1)

    assert [item.message.alert.title for item in node.channels["ops"].sent] == ["Disk turned read-only: /data"]
