"""Readings of GPUs as samples of the metrics page."""

from agent.core.gpu import DriverState, GpuDriver, GpuIdentity, GpuProcess, GpuReading
from agent.core.gpu_samples import samples
from agent.runtime.metrics_catalog import SAMPLES

GPU = GpuIdentity("GPU-1", 3, "0000:05:00", "NVIDIA H100", vbios="96.00", slowdown=89)
FULL = GpuReading(
    GPU, memory_total=80, memory_reserved=1, memory_used=20, memory_free=59, utilization=0.5, memory_utilization=0.25,
    temperature=60, memory_temperature=70, margin=-1, power=350.5, power_limit=700.0, energy=12.0,
    sm_clock=1_980_000_000, memory_clock=2_619_000_000, reasons=0x44,
    limited={"hw_thermal": 1.5}, ecc={"corrected_volatile": 7},
    remapped={"corrected": 1, "uncorrected": 2, "pending": 1, "failed": 0}, retired_pages=0, retired_pending=False,
    recovery_action=0, pcie_generation=5, pcie_width=16, pcie_max_width=16, pcie_replays=4, links=(True, False),
    link_errors={"replay": 9}, processes=(GpuProcess(7, 20),),
)  # fmt: skip


def by_name(reading, driver=None):
    found = {}
    for sample in samples([reading], driver):
        rest = {key: value for key, value in sample.labels.items() if key not in ("gpu", "uuid")}
        found[sample.name, *rest.values()] = sample.value
        assert (sample.labels["gpu"], sample.labels["uuid"]) == ("3", "GPU-1")
    return found


def test_a_full_reading_in_base_units():
    driver = GpuDriver(DriverState.RUNNING, version="580.65", cuda="13.0")
    found = by_name(FULL, driver)

    assert found["gpu_info", "0000:05:00", "NVIDIA H100", "580.65", "13.0", "96.00"] == 1
    assert found["gpu_up",] == 1
    assert found["gpu_memory_used_bytes",] == 20
    assert found["gpu_temperature_celsius", "memory"] == 70
    assert found["gpu_temperature_margin_celsius",] == -1
    assert found["gpu_power_watts",] == 350.5
    assert found["gpu_clock_hertz", "sm"] == 1_980_000_000
    assert (found["gpu_throttle_active", "hw_thermal"], found["gpu_throttle_active", "idle"]) == (1, 0)
    assert sum(key[0] == "gpu_throttle_active" for key in found) == 9
    assert found["gpu_throttle_seconds_total", "hw_thermal"] == 1.5
    assert found["gpu_ecc_errors_total", "corrected", "volatile"] == 7
    assert found["gpu_remapped_rows", "uncorrected"] == 2
    assert (found["gpu_row_remap_pending",], found["gpu_row_remap_failed",]) == (1, 0)
    assert (found["gpu_nvlink_up", "0"], found["gpu_nvlink_up", "1"]) == (1, 0)
    assert found["gpu_nvlink_errors_total", "replay"] == 9
    assert found["gpu_processes",] == 1


def test_a_lost_gpu_has_nothing_but_its_name_and_that_it_is_down():
    found = by_name(GpuReading(GPU, trouble=15))

    assert {key[0] for key in found} == {"gpu_up", "gpu_info", "gpu_temperature_slowdown_celsius"}
    assert found["gpu_up",] == 0


def test_every_name_has_its_place_on_the_page():
    for sample in samples([FULL], None):
        assert sample.labels.keys() == set(SAMPLES[sample.name].labels), sample.name
