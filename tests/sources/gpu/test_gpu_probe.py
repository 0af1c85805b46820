"""What is read of a GPU through the real binding: units, tiers, what a product lacks, and what no GPU can have."""

import os
import subprocess

import pytest

from agent.core.gpu import GpuProcess
from agent.sources import proc
from agent.sources.gpu import device
from tests.support import nvml
from tests.support.nvml import GIB, SIGNED, UNSIGNED


def test_values_are_read_in_base_units(drivers, watches):
    driver = drivers()
    gpu = driver[0]
    gpu.utilization_gpu, gpu.utilization_memory, gpu.temperature, gpu.margin = 97, 41, 61, -4
    gpu.power_mw, gpu.limit_mw, gpu.sm_mhz, gpu.memory_mhz, gpu.energy_mj = 512_500, 700_000, 1_755, 2_619, 8_000
    gpu.reasons, gpu.pcie_width, gpu.pcie_replays = 0x44, 8, 3
    gpu.ecc[0][0], gpu.ecc[1][1] = 17, 2
    gpu.remapped[:] = (1, 2, 1, 0)
    gpu.retired_pages[:] = (1, 2)
    gpu.link_up[3], gpu.link_errors[3][1] = 0, 5
    gpu.set_field(82, 88, UNSIGNED)
    gpu.set_field(230, 2, UNSIGNED)
    gpu.set_field(269, 2_500_000_000)
    gpu.memory_used = 20 * GIB

    (seen,) = watches(driver).gpus()

    assert (seen.utilization, seen.memory_utilization, seen.temperature, seen.margin) == (0.97, 0.41, 61, -4)
    assert (seen.power, seen.power_limit, seen.energy) == (512.5, 700.0, 8.0)
    assert (seen.sm_clock, seen.memory_clock) == (1_755_000_000, 2_619_000_000)
    assert (seen.memory_total, seen.memory_reserved, seen.memory_used) == (80 * GIB, 600 << 20, 20 * GIB)
    assert (seen.reasons, seen.memory_temperature, seen.recovery_action) == (0x44, 88, 2)
    assert (seen.ecc["corrected_volatile"], seen.ecc["uncorrected_aggregate"]) == (17, 2)
    assert dict(seen.remapped) == {"corrected": 1, "uncorrected": 2, "pending": 1, "failed": 0}
    assert (seen.retired_pages, seen.pcie_width, seen.pcie_max_width, seen.pcie_replays) == (3, 8, 16, 3)
    assert (seen.links.count(True), seen.links[3], seen.link_errors["recovery"]) == (17, False, 5)
    assert seen.limited["sw_thermal"] == 2.5
    assert (seen.gpu.pci, seen.gpu.slowdown, seen.gpu.slowdown_margin) == ("0000:05:00", 89, -2)


def test_what_moves_slowly_is_asked_seldom(drivers, watches):
    watch = watches(drivers())
    watch.gpus()
    before = watch.driver.calls
    watch.driver[0].energy_mj, watch.driver[0].power_mw = 2_000_000, 99_000

    (soon,) = watch.gpus()
    asked = watch.driver.calls - before
    (later,) = watch.gpus(after=50)

    assert (soon.power, soon.energy, later.energy) == (99.0, 1000.0, 2000.0)
    assert asked < 15 < watch.driver.calls - before - asked


def test_what_a_product_does_not_support_is_asked_once_and_is_no_zero(drivers, watches):
    driver = drivers()
    for call in ("nvmlDeviceGetPowerUsage", "nvmlDeviceGetNvLinkState", "nvmlDeviceGetRemappedRows"):
        driver.fail(call, 3)
    driver[0].set_field(230, 0, UNSIGNED, code=3)
    watch = watches(driver)

    (seen,) = watch.gpus()
    assert (seen.power, seen.links, dict(seen.remapped), seen.recovery_action) == (None, (), {}, None)
    driver.heal()
    (again,) = watch.gpus()
    assert again.power is None

    watch.restart()
    assert watch.gpus()[0].power == 72.0


def test_an_answer_that_fails_otherwise_is_asked_again_and_counted(drivers, watches):
    watch = watches(drivers())
    watch.driver.fail("nvmlDeviceGetPowerUsage", 999)

    reading = watch.look()
    counted = {sample.labels["call"]: sample.value for sample in reading.samples if sample.name == "nvml_errors_total"}
    assert (reading.gpus[0].power, reading.gpus[0].trouble) == (None, None)
    assert counted == {"nvmlDeviceGetPowerUsage": 1}
    watch.driver.heal()
    assert watch.gpus()[0].power == 72.0


def test_a_driver_that_lacks_newer_calls_is_asked_by_the_older_ones(drivers, watches):
    driver = drivers(old_driver=True)
    driver[0].reasons = 0x20
    (seen,) = watches(driver).gpus()

    assert (seen.temperature, seen.reasons, seen.margin) == (34, 0x20, None)


def test_a_driver_that_cannot_tell_what_it_reserves_tells_memory_all_the_same(drivers, watches):
    driver = drivers()
    driver[0].memory_used = GIB
    driver.fail("nvmlDeviceGetMemoryInfo_v2", 13)
    (seen,) = watches(driver).gpus()

    assert (seen.memory_used, seen.memory_reserved) == (GIB + (600 << 20), None)


def test_a_gpu_in_slices_has_no_utilization(drivers, watches):
    driver = drivers()
    driver[0].mig_mode = 1
    (seen,) = watches(driver).gpus()

    assert (seen.gpu.mig, seen.utilization, dict(seen.remapped)) == (True, None, {})
    assert seen.memory_used == 0


def test_a_consumer_card_does_not_remap_rows_whatever_it_says(drivers, watches):
    driver = drivers()
    driver[0].name = b"NVIDIA GeForce RTX 4090"
    assert dict(watches(driver).gpus()[0].remapped) == {}


def test_nvlink_5_counts_its_errors_in_fields(drivers, watches):
    driver = drivers()
    driver[0].links = 2
    driver.fail("nvmlDeviceGetNvLinkErrorCounter", 3)
    driver[0].set_field(208, 4)
    (seen,) = watches(driver).gpus()

    assert dict(seen.link_errors) == {"receive": 8}


def test_a_margin_that_is_absent_is_not_zero(drivers, watches):
    driver = drivers()
    driver[0].margin = nvml.ABSENT
    driver[0].set_field(194, 0, SIGNED, code=3)
    (seen,) = watches(driver).gpus()

    assert (seen.margin, seen.gpu.slowdown_margin) == (None, None)


def test_processes_are_named_and_the_dead_are_known(drivers, watches):
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    driver = drivers()
    driver[0].run((os.getpid(), 3 * GIB), (dead.pid, GIB))
    (seen,) = watches(driver).gpus()

    mine, gone = seen.processes
    assert (mine.pid, mine.memory, mine.dead) == (os.getpid(), 3 * GIB, False)
    assert mine.name.startswith(("python", "pytest"))
    on_the_host = proc.pid_namespace() == device.FIRST_NAMESPACE
    assert gone == GpuProcess(dead.pid, GIB, None, dead=on_the_host)


def test_numbers_that_no_gpu_can_have_are_unknown(drivers, watches):
    driver = drivers(2)
    gpu = driver[0]
    gpu.utilization_gpu, gpu.temperature, gpu.power_mw, gpu.sm_mhz = 4_000_000_000, 2**31 - 1, 2**32 - 1, 2**32 - 1
    gpu.memory_used, gpu.remapped[:] = 2**63, (2**32 - 1,) * 4
    gpu.name = b"\xff\xfe\x1b[31mGPU\n"
    garbage, well = watches(driver).gpus()

    assert (garbage.utilization, garbage.temperature, garbage.power, garbage.sm_clock) == (None,) * 4
    assert (garbage.memory_used, dict(garbage.remapped), garbage.trouble) == (None, {}, 999)
    assert "\x1b" not in garbage.gpu.name
    assert (well.temperature, well.trouble) == (34, None)


@pytest.mark.parametrize("bus_id", [b"nonsense", b"", b"0:0:0:0:0"])
def test_a_gpu_at_no_address_keeps_the_others_from_nothing(drivers, watches, bus_id):
    driver = drivers(2)
    driver[0].bus_id = bus_id
    reading = watches(driver).look()
    assert ([seen.gpu.index for seen in reading.gpus], reading.driver.counted) == ([1], 2)


def test_the_child_stays_small(drivers, watches):
    watch = watches(drivers(8))
    for _ in range(3):
        watch.look(after=60)
    (resident, _) = proc.status(watch.child.pid)["VmRSS"]

    assert int(resident) <= 20 * 1024
