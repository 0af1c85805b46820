"""GPUs over time: what is told once, when it is over, and what survives a restart of agent or node."""

from dataclasses import replace

import pytest

from agent.core.facts import KernelSeen
from agent.core.gpu import DriverState, GpuDriver, GpuIdentity, GpuReading
from agent.core.gpu_policy import policy
from agent.core.gpu_rule import Wish
from agent.core.kernel_log import KernelKind
from agent.core.model import Severity
from agent.core.ports import Reading
from agent.runtime.health import Health

GPUS = tuple(
    GpuReading(GpuIdentity(f"GPU-{n}", n, f"0000:0{n}:00", "NVIDIA H100", slowdown=89), temperature=50, reasons=0)
    for n in range(8)
)
BOOT = "boot-1"
RUNNING = GpuDriver(DriverState.RUNNING, on_bus=8)
OFF_THE_BUS = "NVRM: Xid (PCI:0000:03:00): 79, pid=<unknown>, name=<unknown>, GPU has fallen off the bus."


class Watched:
    """A node whose GPUs are looked at every ten seconds."""

    def __init__(self, node, clock):
        self.node, self.clock = node, clock
        self.readings, self.driver = GPUS, RUNNING
        self.judge()

    def judge(self, boot=BOOT, xids=None, watched=True, **wishes):
        self.node.settings = replace(
            self.node.settings, gpu=policy(wishes, xids or {}, None, boot, watched=watched)
        )

    def change(self, index, **values):
        self.readings = tuple(replace(item, **values) if item.gpu.index == index else item for item in self.readings)

    def run(self, seconds):
        for _ in range(round(seconds / 10)):
            self.look()
            self.node.run(10, step=5)

    def look(self):
        self.node.board.publish("gpu", Reading(gpus=self.readings, driver=self.driver), self.clock.now())
        self.node.settle()

    def kernel(self, xid, text=None, *, pci="0000:03:00", boot=BOOT, nvml=False):
        text = text or f"NVRM: Xid (PCI:{pci}): {xid}, Ch 10"
        facts = {"nvml": True} if nvml else {}
        self.node.tell(KernelSeen(boot, KernelKind.XID, text, self.clock.now().wall, pci=pci, xid=xid, facts=facts))
        self.node.settle()

    def told(self):
        """What was sent since the last time: type, kind, severity and title."""
        sent, self.node.channels["ops"].sent = self.node.channels["ops"].sent, []
        messages = [item.message for item in sent]
        return [(str(m.alert.type), str(m.kind), str(m.alert.severity), m.alert.title) for m in messages]


@pytest.fixture
def watched(nodes, clock):
    return Watched(nodes(), clock)


LOST = ("gpu_error", "fired", "critical", "GPU lost: GPU 3")
BACK = ("gpu_error", "resolved", "critical", "GPU lost: GPU 3")


def test_a_lost_gpu_is_one_critical_alert_until_it_is_back(watched):
    watched.run(30)
    watched.change(3, trouble=15, temperature=None)
    watched.run(600)
    assert watched.told() == [LOST]

    watched.change(3, trouble=None, temperature=50)
    watched.run(60)
    assert watched.told() == [BACK]


def test_the_kernels_word_comes_first_and_is_the_same_alert(watched):
    watched.run(30)
    watched.kernel(79, OFF_THE_BUS)
    assert watched.told() == [LOST]
    watched.look()  # a look that began before the GPU was lost
    assert watched.told() == []

    watched.run(10)
    watched.change(3, trouble=15)
    watched.run(300)
    assert watched.told() == []


def test_a_restart_of_the_agent_repeats_nothing(watched):
    watched.run(30)
    watched.kernel(48)
    watched.change(5, trouble=15)
    watched.run(30)
    fired = watched.told()
    assert [item[3] for item in fired] == ["Xid 48: double-bit ECC error", "GPU lost: GPU 5"]

    watched.node.restart()
    watched.node.run(30)
    watched.kernel(48)
    watched.run(120)
    assert watched.told() == []


def test_the_next_boot_ends_what_the_kernel_said_in_the_last_one(watched):
    watched.kernel(48)
    watched.run(30)
    assert [item[1] for item in watched.told()] == ["fired"]

    watched.node.restart()
    watched.judge(boot="boot-2")
    watched.node.run(5)
    assert [item[1] for item in watched.told()] == ["resolved"]


def test_a_gpu_that_was_taken_out_is_not_missed_for_ever(watched):
    watched.run(10)
    watched.change(7, trouble=15)
    watched.run(30)
    watched.told()
    watched.node.restart()
    watched.judge(boot="boot-2")
    watched.readings, watched.driver = GPUS[:7], replace(RUNNING, on_bus=7)
    watched.run(30)
    assert watched.told() == [("gpu_error", "resolved", "critical", "GPU lost: GPU 7")]


def test_an_xid_of_kernel_log_and_nvml_is_one_alert_and_its_burst_too(watched):
    watched.run(30)
    watched.kernel(119)
    watched.kernel(119, "NVML reported Xid 119", nvml=True)
    for _ in range(50):
        watched.kernel(119)
    watched.run(30)

    assert [item[3] for item in watched.told()] == ["Xid 119: the GPU's system processor (GSP) timed out or failed"]


def test_what_the_application_did_itself_raises_nothing_unless_the_user_wants_it(watched):
    for number in (13, 31, 43, 45, 63):
        watched.kernel(number)
    watched.run(60)
    assert watched.told() == []

    watched.judge(xids={31: Severity.CRITICAL})
    watched.run(20)
    assert [(item[0], item[2]) for item in watched.told()] == [("gpu_error", "critical")]


def test_a_warning_xid_is_over_after_a_quiet_hour_and_a_critical_one_by_hand(watched):
    watched.run(10)
    watched.kernel(32)
    watched.kernel(48)
    watched.run(10)
    assert [item[:3] for item in watched.told()] == [
        ("gpu_degraded", "fired", "warning"), ("gpu_error", "fired", "critical"),
    ]  # fmt: skip
    watched.run(3700)
    assert [item[:2] for item in watched.told()] == [("gpu_degraded", "resolved")]

    firing = [alert for alert in watched.node.alerts() if watched.node.alert(alert[0]).status == "firing"]
    watched.node.resolve(firing[0][0])
    watched.run(60)
    assert [item[:2] for item in watched.told()] == [("gpu_error", "resolved")]
    watched.kernel(48)
    watched.run(20)
    assert [item[:2] for item in watched.told()] == [("gpu_error", "fired")]


def test_after_two_reboots_that_did_not_help_no_third_is_advised(watched):
    for boot in ("boot-1", "boot-2", "boot-3"):
        watched.judge(boot=boot)
        watched.look()
        watched.node.run(1_000, step=100)
        watched.kernel(79, OFF_THE_BUS, pci="0000:09:00", boot=boot)
        watched.run(40)
        watched.node.restart()
    advice = [item.message.alert.advice for item in watched.node.channels["ops"].sent if item.message.kind == "fired"]

    assert len(advice) == 3
    assert advice[-1] == "It came again after 2 reboots: another will not help, have the GPU inspected."
    assert "power-cycle" in advice[0]


def test_heat_has_to_last_and_to_fall_clearly(watched):
    watched.change(2, temperature=87)
    watched.run(200)
    watched.change(2, temperature=80)
    watched.run(20)
    watched.change(2, temperature=87)
    watched.run(290)
    assert watched.told() == []
    watched.run(30)
    assert watched.told() == [("gpu_degraded", "fired", "warning", "GPU is hot: GPU 2")]

    watched.change(2, temperature=85)
    watched.run(300)
    assert watched.told() == []
    watched.change(2, temperature=84)
    watched.run(300)
    assert watched.told() == [("gpu_degraded", "resolved", "warning", "GPU is hot: GPU 2")]


def test_the_power_brake_counts_on_the_third_look(watched):
    watched.change(1, reasons=0x80)
    watched.run(20)
    assert watched.told() == []
    watched.run(10)
    assert [item[:3] for item in watched.told()] == [("gpu_degraded", "fired", "critical")]


def test_a_hang_is_one_alert_and_leaves_all_others_as_they_are(watched):
    watched.change(3, trouble=15)
    watched.run(30)
    watched.told()
    watched.driver = replace(RUNNING, state=DriverState.HUNG, detail="GPU 1: no answer within 30 s")
    lost, watched.readings = watched.readings, tuple(replace(item, trouble=10) for item in GPUS)
    watched.run(600)
    assert watched.told() == [("gpu_error", "fired", "critical", "The GPU driver does not answer")]

    watched.driver, watched.readings = RUNNING, lost
    watched.run(60)
    assert watched.told() == [("gpu_error", "resolved", "critical", "The GPU driver does not answer")]


def test_a_driver_that_goes_away_is_one_warning_and_not_one_a_gpu(watched):
    watched.run(30)
    watched.driver = replace(RUNNING, state=DriverState.LOST, code=9)
    well, watched.readings = watched.readings, tuple(replace(item, trouble=9) for item in GPUS)
    watched.run(600)
    assert watched.told() == [("gpu_degraded", "fired", "warning", "The GPU driver is gone")]
    watched.driver, watched.readings = RUNNING, well
    watched.run(30)
    assert watched.told() == [("gpu_degraded", "resolved", "warning", "The GPU driver is gone")]


def test_a_pause_changes_nothing_about_what_is_out(watched):
    watched.change(3, trouble=15)
    watched.run(30)
    watched.told()
    readings, watched.readings = watched.readings, ()
    watched.driver = replace(RUNNING, state=DriverState.PAUSED)
    watched.run(300)
    assert watched.told() == []
    watched.readings, watched.driver = readings, RUNNING
    watched.run(30)
    assert watched.told() == []


def test_a_rule_that_is_turned_off_ends_its_alert(watched):
    watched.change(3, trouble=15)
    watched.run(30)
    watched.told()
    watched.judge(gpu_lost=Wish(enabled=False))
    watched.run(10)
    assert watched.told() == [BACK]


def test_gpus_that_nobody_watches_any_more_keep_no_alert(watched):
    watched.change(3, trouble=15)
    watched.run(30)
    watched.told()
    watched.judge(watched=False)
    watched.node.board.dismiss("gpu")
    watched.node.run(10)
    assert watched.told() == [BACK]


def test_e20_readings_that_fail_end_no_alert_and_are_told_by_themselves(watched):
    board = watched.node.board
    board.enrol(Health("gpu", 10.0, 90.0, source=True))
    watched.change(3, trouble=15)
    watched.run(30)
    assert watched.told() == [LOST]
    for _ in range(30):
        board.began("gpu", watched.clock.now())
        board.ended("gpu", watched.clock.now(), "NVML: unknown error")
        watched.node.run(10, step=5)
    assert [item[:2] for item in watched.told()] == [("agent_degraded", "fired")]

    board.began("gpu", watched.clock.now())
    board.ended("gpu", watched.clock.now())
    watched.run(60)
    assert [item[:2] for item in watched.told()] == [("agent_degraded", "resolved")]
    watched.change(3, trouble=None)
    watched.run(60)
    assert watched.told() == [BACK]
