"""Everything that a GPU driver may do besides working, and how the source comes out of it."""

import os
import signal

import pytest

from agent.core.gpu import DriverState
from agent.core.kernel_log import KernelKind
from agent.core.ports import Unavailable
from agent.runtime.isolated import ChildFailed
from tests.support import fuse
from tests.support.agent import until

PCI = "0000:08:00"
"""Where the fake driver puts GPU 3."""


def troubles(reading):
    return [gpu.trouble for gpu in reading.gpus]


def hang(reading):
    return next(sample.value for sample in reading.samples if sample.name == "nvml_hang")


def test_a_node_without_a_driver_costs_no_process(drivers, watches, monkeypatch):
    watch = watches(drivers())
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    with pytest.raises(Unavailable, match="no NVIDIA driver library"):
        watch.look()

    assert watch.child is None
    monkeypatch.setenv("LD_LIBRARY_PATH", watch.driver.environ["LD_LIBRARY_PATH"])
    assert watch.look().driver.state is DriverState.RUNNING


def test_a_file_that_is_no_library_is_no_driver(drivers, watches, tmp_path, monkeypatch):
    watch = watches(drivers())
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"\x7fELF and then nothing")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))

    with pytest.raises(Unavailable, match="no NVIDIA driver library"):
        watch.look()


def test_a_driver_may_appear_later(drivers, watches):
    watch = watches(drivers(2))
    watch.driver.fail("nvmlInit", 9)
    waiting = watch.look()
    assert (waiting.driver.state, waiting.gpus) == (DriverState.WAITING, ())
    assert waiting.again_in <= 1.0

    watch.driver.heal()
    reading = watch.look(after=1)
    assert (reading.driver.state, len(reading.gpus)) == (DriverState.RUNNING, 2)


def test_a_library_that_does_not_fit_is_tried_again_by_fresh_processes(drivers, watches):
    watch = watches(drivers())
    watch.look()
    watch.driver.fail("*", 1)
    watch.look()
    watch.driver.fail("nvmlInit", 18)
    watch.driver.state.faults[0].call = b""
    assert watch.look().driver.state is DriverState.MISMATCH
    assert watch.child is None

    assert watch.look(after=1).driver.state is DriverState.MISMATCH
    watch.driver.heal()
    reading = watch.look(after=30)
    assert (reading.driver.state, troubles(reading)) == (DriverState.RUNNING, [None])


def test_one_lost_gpu_is_named_and_left_alone_while_the_others_go_on(drivers, watches, tmp_path):
    (tmp_path / f"{PCI}.0").mkdir()
    watch = watches(drivers(8), bus=tmp_path)
    watch.look()
    watch.driver[3].lost = 1
    watch.driver[0].temperature = 77

    for _ in range(3):
        reading = watch.look()
        assert troubles(reading) == [None, None, None, 15, None, None, None, None]
        assert (reading.gpus[3].gpu.pci, reading.gpus[3].on_bus, reading.gpus[0].temperature) == (PCI, True, 77)
    assert reading.driver.generation == 2  # looked for anew once, since that disturbs the others

    (tmp_path / f"{PCI}.0").rmdir()
    assert watch.look().gpus[3].on_bus is False
    watch.driver[3].lost = 0
    assert troubles(watch.look(after=300)) == [None, None, None, 15, None, None, None, None]
    assert troubles(watch.look()) == [None] * 8


def test_a_gpu_that_is_lost_over_a_restart_of_the_agent_keeps_its_name(drivers, watches):
    watch = watches(drivers(2))
    uuid = watch.look().gpus[1].gpu.uuid
    watch.driver[1].lost = 1
    watch.look()
    watch.restart()

    _, lost = watch.gpus()
    assert (lost.gpu.uuid, lost.gpu.index) == (uuid, 1)
    assert lost.trouble is not None


@pytest.mark.parametrize("code", [16, 27, 8])
def test_a_gpu_that_refuses_says_why_and_is_well_again_a_minute_later(drivers, watches, code):
    watch = watches(drivers(2))
    watch.look()
    watch.driver.fail("nvmlDeviceGetTemperatureV", code, device=1)
    assert troubles(watch.look()) == [None, code]

    watch.driver.heal()
    watch.look()
    assert troubles(watch.look(after=60)) == [None, None]


def test_a_gpu_that_vanishes_in_mid_poll_is_lost_at_once(drivers, watches):
    watch = watches(drivers(2))
    watch.look()
    watch.driver.fail("nvmlDeviceGetPowerUsage", 15, device=1)

    assert troubles(watch.look()) == [None, 15]


def test_a_container_that_lost_its_devices_is_told_from_a_lost_gpu(drivers, watches):
    watch = watches(drivers(2))
    watch.look()
    watch.driver.fail("*", 999)
    assert troubles(watch.look()) == [999, 999]

    forbidden = watch.look()
    assert forbidden.driver.state is DriverState.FORBIDDEN
    assert "only a new container helps" in forbidden.driver.detail
    assert [gpu.gpu.index for gpu in forbidden.gpus] == [0, 1]


def test_a_driver_that_forgets_that_it_was_initialised_is_initialised_anew(drivers, watches):
    watch = watches(drivers())
    watch.look()
    watch.driver.fail("nvmlDeviceGetTemperatureV", 1)
    assert troubles(watch.look()) == [1]

    watch.driver.heal()
    reading = watch.look()
    assert (troubles(reading), reading.driver.generation) == ([None], 2)


def test_a_driver_that_is_unloaded_is_lost_and_comes_back(drivers, watches):
    watch = watches(drivers())
    watch.look()
    watch.driver.fail("nvmlDeviceGetTemperatureV", 15)
    watch.driver.fail("nvmlInit", 9)
    watch.look()

    assert watch.look().driver.state is DriverState.LOST
    watch.driver.heal()
    assert watch.look(after=30).driver.state is DriverState.RUNNING


def test_a_call_that_hangs_is_told_with_its_gpu_and_a_new_child_goes_on(drivers, watches):
    watch = watches(drivers(2), within=0.5)
    watch.look()
    child = watch.child
    watch.driver.fail("nvmlDeviceGetPowerUsage", device=1, block_ms=120_000)

    reading = watch.look()
    assert reading.driver.state is DriverState.HUNG
    assert reading.driver.detail == "GPU 1 (NVIDIA H100 80GB HBM3, 0000:06:00): no answer within 0 s"
    assert (troubles(reading), hang(reading), child.gone) == ([10, 10], 1, True)
    assert watch.look(after=0).driver.state is DriverState.HUNG  # no child is started at once

    assert watch.look().driver.state is DriverState.HUNG
    watch.driver.heal()
    reading = watch.look()
    assert (reading.driver.state, troubles(reading), hang(reading)) == (DriverState.RUNNING, [None, None], 0)
    assert watch.child.pid != child.pid


@pytest.mark.skipif(not fuse.possible(), reason="needs root and /dev/fuse")
def test_a_child_that_cannot_be_killed_is_waited_for_and_no_other_joins_it(drivers, watches, tmp_path, monkeypatch):
    mount = fuse.FuseMount(tmp_path / "stuck")
    try:
        monkeypatch.setattr("agent.gpus.ENDS_WITHIN", 0.2)
        watch = watches(drivers(), within=0.5)
        mount.hang()
        # The library opens its state like a driver's device file; here that never returns, whatever the signal.
        monkeypatch.setenv("NVML_FAKE_FILE", str(mount.log))
        reading = watch.look()
        assert reading.driver.state is DriverState.HUNG
        (stuck,) = watch.source._isolated.left
        assert f"process {stuck} waits in the kernel and cannot be ended" in reading.driver.detail

        for _ in range(2):
            assert watch.look(after=60).driver.state is DriverState.HUNG
            assert (watch.child, list(watch.source._isolated.left)) == (None, [stuck])

        monkeypatch.setenv("NVML_FAKE_FILE", watch.driver.environ["NVML_FAKE_FILE"])
        mount.answer()
        until(lambda: not watch.source._isolated.left, "the child to end")
        assert watch.look(after=60).driver.state is DriverState.RUNNING
    finally:
        mount.close()


def test_a_child_that_is_killed_is_replaced_and_knows_its_gpus(drivers, watches):
    watch = watches(drivers(2))
    uuid = watch.look().gpus[1].gpu.uuid
    os.kill(watch.child.pid, signal.SIGKILL)
    watch.driver[1].lost = 1
    with pytest.raises(ChildFailed, match=r"the child of gpu ended \(-9\)"):
        watch.look()

    reading = watch.look()
    assert [gpu.gpu.uuid for gpu in reading.gpus][1] == uuid


def test_a_library_that_crashes_is_told_by_the_childs_end(drivers, watches):
    watch = watches(drivers())
    watch.look()
    watch.driver.fail("nvmlDeviceGetTemperatureV", -signal.SIGSEGV)

    with pytest.raises(ChildFailed, match=r"ended \(-11\)"):
        watch.look()


def test_the_driver_is_let_go_of_on_request(drivers, watches):
    watch = watches(drivers())
    watch.look()
    child = watch.child
    watch.board.paused = True

    reading = watch.look(after=1)
    assert (reading.driver.state, reading.gpus, child.gone) == (DriverState.PAUSED, (), True)
    assert watch.look().driver.state is DriverState.PAUSED
    watch.board.paused = False
    assert watch.look().driver.state is DriverState.RUNNING


def test_xids_come_by_nvml_with_address_and_number(drivers, watches):
    watch = watches(drivers(8))
    watch.look()
    watch.driver.xid(48, device=3)

    events = until(lambda: watch.look(after=0.1).events, "the Xid")
    (fact,) = [event.fact for event in events]
    assert (fact.kind, fact.pci, fact.xid, fact.facts["nvml"]) == (KernelKind.XID, PCI, 48, True)
    watch.driver.xid(0, device=3)
    watch.driver.xid(13, device=0)
    events = until(lambda: watch.look(after=0.1).events, "the next Xid")
    assert [event.fact.xid for event in events] == [13]


def test_the_bus_shows_gpus_that_the_driver_does_not_know(drivers, watches, tmp_path):
    for place, (vendor, kind) in enumerate([("0x10de", "0x030200"), ("0x10de", "0x030000"), ("0x10de", "0x068000")]):
        folder = tmp_path / f"0000:0{place}:00.0"
        folder.mkdir()
        (folder / "vendor").write_text(vendor + "\n")
        (folder / "class").write_text(kind + "\n")

    assert watches(drivers(), bus=tmp_path).look().driver.on_bus == 2
