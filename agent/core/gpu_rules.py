"""Rules about single GPUs: their numbers, which the user may set, and the conditions that they make of one look."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.episodes import Condition, Seen
from agent.core.gpu import GpuReading
from agent.core.gpu_history import GpuHistory
from agent.core.gpu_judges import JUDGES, View
from agent.core.gpu_rule import GpuRule
from agent.core.model import AlertType, Severity

TWO_LOOKS, THREE_LOOKS = 5 * SECOND, 15 * SECOND
"""What two or three looks in a row take at least, at the default interval, and one look less never does."""
CELSIUS = "°C"

RULES: Mapping[str, GpuRule] = {
    "gpu_lost": GpuRule(
        "GPU lost", AlertType.GPU_ERROR, keep_ms=0,
        advice="Drain the node and power-cycle it; inspect seating, power and cooling of the GPU.",
    ),
    "gpu_reset_required": GpuRule("GPU needs to be reset", AlertType.GPU_ERROR, keep_ms=0),
    "gpu_trouble": GpuRule("GPU is out of order", AlertType.GPU_ERROR, keep_ms=0),
    "gpu_silent": GpuRule("GPU does not answer", for_ms=2 * MINUTE, keep_ms=0),
    "thermal_margin": GpuRule(
        "GPU is about to overheat", for_ms=TWO_LOOKS, advice="Look at fans, air flow and the coolant of the node."
    ),
    "temperature": GpuRule("GPU is hot", threshold=90, clear=88, for_ms=5 * MINUTE, unit=CELSIUS),
    "memory_temperature": GpuRule("GPU memory is hot", for_ms=5 * MINUTE, unit=CELSIUS),
    "hw_slowdown": GpuRule("GPU clocks are cut by the hardware", for_ms=5 * MINUTE),
    "sw_thermal": GpuRule("GPU clocks are cut because of heat", for_ms=30 * MINUTE),
    "hw_thermal": GpuRule(
        "GPU clocks are cut by half because of heat", threshold=30 * 60, for_ms=5 * MINUTE, unit="seconds"
    ),
    "power_brake": GpuRule(
        "GPU is held back by the power supply", for_ms=THREE_LOOKS,
        advice="The external power brake is asserted: look at power supplies and the rack's power limit.",
    ),
    "ecc_uncorrected": GpuRule("Uncorrectable GPU memory errors", AlertType.GPU_ERROR, keep_ms=0),
    "ecc_corrected": GpuRule(
        "Many corrected GPU memory errors", threshold=10_000, clear=5_000, for_ms=HOUR, unit="errors an hour"
    ),
    "remap_failed": GpuRule(
        "GPU memory rows cannot be remapped", AlertType.GPU_ERROR, keep_ms=0,
        advice="Drain the node, run the field diagnostic and have the GPU replaced.",
    ),
    "remap_pending": GpuRule(
        "GPU memory rows wait to be remapped", keep_ms=0,
        advice="Reset the GPU at the next window; what runs is safe meanwhile.",
    ),
    "retired_pending": GpuRule(
        "GPU memory pages wait to be retired", keep_ms=0, advice="Reboot, or load the driver anew."
    ),
    "retired_pages": GpuRule("Many GPU memory pages are retired", threshold=10, keep_ms=0, unit="pages"),
    "gpu_memory_high": GpuRule(
        "GPU memory is nearly full", threshold=0.97, clear=0.95, for_ms=10 * MINUTE, enabled=False,
        unit="share of what programs may use",
    ),
    "gpu_memory_orphan": GpuRule(
        "GPU memory is held by no process", threshold=500 << 20, for_ms=10 * MINUTE, unit="bytes",
        advice="A process that died left it behind: look for zombies, then reset the GPU.",
    ),
    "gpu_idle_in_job": GpuRule(
        "A job holds a GPU that does nothing", AlertType.GPU_IDLE, threshold=0.05, clear=0.1, for_ms=15 * MINUTE,
        unit="share of time", below=True,
    ),
    "gpu_imbalance": GpuRule(
        "A GPU does less than the others of its job", threshold=0.2, clear=0.4, for_ms=15 * MINUTE, enabled=False,
        unit="share of the job's median", below=True, advice="Look at the rank on that GPU: its data, its clocks.",
    ),
    "nvlink_down": GpuRule("NVLink is down", AlertType.GPU_ERROR, for_ms=MINUTE, keep_ms=0),
    "nvlink_errors": GpuRule("NVLink errors", threshold=100, clear=50, keep_ms=0, unit="errors an hour"),
    "pcie_width": GpuRule(
        "GPU runs on fewer PCIe lanes", for_ms=5 * MINUTE, advice="Reseat the GPU; look at its riser."
    ),
    "pcie_replay": GpuRule(
        "GPU repeats PCIe transfers", threshold=10, clear=5, for_ms=10 * MINUTE, unit="transfers a minute"
    ),
    "persistence_off": GpuRule(
        "GPU persistence mode is off", keep_ms=0, enabled=False,
        advice="Run nvidia-persistenced: without it the first call is slow and settings are lost.",
    ),
}  # fmt: skip
"""Every rule by its name under `[sources.gpu.rules]`. Limits and times: NVSentinel, gpud and Meta's health checks, as
gathered in the project's reference; thresholds of temperature are the device's own where it tells them."""


_OF_SILENCE = frozenset({"gpu_lost", "gpu_reset_required", "gpu_trouble", "gpu_silent"})
"""Rules that judge a device that refuses to answer; to all others its silence says nothing."""


def look(
    reading: GpuReading, history: GpuHistory, now: int, node: str, *, rules: Mapping[str, GpuRule] = RULES,
    firing: Callable[[str], Severity | None] | None = None, in_job: bool = False, peers: float | None = None,
) -> Iterator[Seen]:
    """Judge one GPU by every rule. `firing`: at which severity the condition of a fingerprint fires, if any does.

    `in_job`, `peers`: as in `View`.
    """
    for name, rule in rules.items():
        if reading.trouble is None or name in _OF_SILENCE:
            blank = condition(name, rule, reading, "", node)
            fires = None if firing is None else firing(blank.fingerprint)
            yield _seen(name, rule, blank, View(reading, history, now, fires, in_job, peers))


def _seen(name: str, rule: GpuRule, blank: Condition, view: View) -> Seen:
    observed, words = JUDGES[name](view, rule) if rule.enabled else (None, "")
    observed = rule.severity if isinstance(observed, Severity) and rule.severity is not None else observed
    told = replace(blank, message=f"{described(view.reading)} {words}.") if words else blank
    return Seen(told, observed, keep_ms=rule.keep_ms, for_ms=rule.for_ms)


def condition(name: str, rule: GpuRule, reading: GpuReading, message: str, node: str) -> Condition:
    """The condition of one rule and GPU."""
    gpu = reading.gpu
    return Condition(
        type=rule.type,
        identity={"node_id": node, "gpu_uuid": gpu.uuid, "rule": name},
        title=f"{rule.title}: GPU {gpu.index}",
        message=message,
        advice=rule.advice,
        gpu={"index": gpu.index, "uuid": gpu.uuid, "name": gpu.name},
    )


def described(reading: GpuReading) -> str:
    """Name a GPU in a sentence."""
    return f"GPU {reading.gpu.index} ({reading.gpu.name}, {reading.gpu.pci})"
