"""GPUs and their driver as JSON objects: what `gpus` and `status` print. Base units; what is unknown is null."""

from agent.core.gpu import CLOCK_REASONS, RECOVERY_ACTIONS, ClockReason, GpuDriver, GpuProcess, GpuReading
from agent.core.gpu_judges import LOST, RESET_REQUIRED
from agent.core.model import Json
from agent.core.text import strip_controls

_STATES = {LOST: "lost", RESET_REQUIRED: "reset required"}
_SLOWED = ClockReason.HW_SLOWDOWN | ClockReason.SW_THERMAL | ClockReason.HW_THERMAL | ClockReason.POWER_BRAKE
"""Reasons for limited clocks that are trouble; the others are how a GPU works."""


def of_gpu(reading: GpuReading) -> dict[str, Json]:
    """One GPU. Shares are in percent, as everywhere in `status`."""
    gpu, trouble, action = reading.gpu, reading.trouble, reading.recovery_action
    return {
        "index": gpu.index,
        "uuid": gpu.uuid,
        "name": gpu.name,
        "pci": gpu.pci,
        "state": "ok" if trouble is None else _STATES.get(trouble, f"refuses (NVML code {trouble})"),
        "utilization_percent": None if reading.utilization is None else round(100 * reading.utilization),
        "memory_used_bytes": reading.memory_used,
        "memory_total_bytes": reading.memory_total,
        "temperature_celsius": reading.temperature,
        "memory_temperature_celsius": reading.memory_temperature,
        "power_watts": reading.power,
        "power_limit_watts": reading.power_limit,
        "slowed_by": [name for bit, name in CLOCK_REASONS.items() if (reading.reasons or 0) & _SLOWED & bit],
        "recovery_action": RECOVERY_ACTIONS.get(action, str(action)) if action else None,
        "mig": gpu.mig,
        "processes": None if reading.processes is None else [_process(item) for item in reading.processes],
    }


def of_driver(driver: GpuDriver | None) -> dict[str, Json] | None:
    """The driver; null where there is none."""
    if driver is None:
        return None
    return {
        "state": driver.state.value,
        "detail": driver.detail or None,
        "version": driver.version,
        "cuda": driver.cuda,
        "on_bus": driver.on_bus,
        "counted": driver.counted,
    }


def _process(process: GpuProcess) -> dict[str, Json]:
    name = None if process.name is None else strip_controls(process.name)
    return {"pid": process.pid, "name": name, "memory_bytes": process.memory, "dead": process.dead}
