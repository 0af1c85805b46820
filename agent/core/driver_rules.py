"""Rules about the GPU driver and the number of GPUs: what concerns the node and not a single device."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from agent.core.clock import MINUTE, SECOND
from agent.core.conditions import MISSING, Observed
from agent.core.episodes import Condition, Seen
from agent.core.gpu import DriverState, GpuDriver, GpuReading
from agent.core.gpu_rule import GpuRule
from agent.core.model import AlertType, Severity

GPU_NOT_FOUND = 28
"""NVML's answer where the driver runs without any GPU (nvmlReturn_t)."""
WAIT_FOR_DRIVER = 10 * MINUTE
"""How long a driver may take to be loaded before that is a warning."""

RULES: Mapping[str, GpuRule] = {
    "gpu_count": GpuRule(
        "Fewer GPUs than expected", AlertType.GPU_ERROR, for_ms=5 * SECOND, keep_ms=0,
        advice="Compare `nvidia-smi -L` with `lspci -d 10de:`; one that is not on the bus needs a person at the node.",
    ),
    "driver_unresponsive": GpuRule(
        "The GPU driver does not answer", AlertType.GPU_ERROR, keep_ms=0,
        advice="Look into the kernel log for Xid 119 or 120; if calls stay stuck, drain and reboot the node.",
    ),
    "driver_mismatch": GpuRule(
        "GPU driver and library do not match", for_ms=SECOND, keep_ms=0,
        advice="The driver was upgraded underneath: load the new kernel module, or reboot the node.",
    ),
    "driver_forbidden": GpuRule(
        "The GPU driver is out of reach", for_ms=5 * SECOND, keep_ms=0,
        advice="In a container, create it anew; elsewhere look at the permissions of /dev/nvidia*.",
    ),
    "driver_lost": GpuRule(
        "The GPU driver is gone", for_ms=5 * SECOND, keep_ms=0, advice="Is the NVIDIA kernel module still loaded?"
    ),
    "driver_not_loaded": GpuRule(
        "The GPU driver is not loaded", for_ms=WAIT_FOR_DRIVER, keep_ms=0, advice="Load the NVIDIA kernel module."
    ),
    "gpus_gone": GpuRule(
        "All GPUs are gone", AlertType.GPU_ERROR, keep_ms=0,
        advice="Look into the kernel log for Xid 79 and at the PCI bus: `lspci -d 10de:`.",
    ),
}  # fmt: skip
"""Every rule by its name under `[sources.gpu.rules]`. Two looks in a row take at least 5 s at the default interval."""

_BY_STATE: Mapping[str, frozenset[DriverState]] = {
    "driver_mismatch": frozenset({DriverState.MISMATCH}),
    "driver_forbidden": frozenset({DriverState.FORBIDDEN}),
    "driver_lost": frozenset({DriverState.LOST}),
    "driver_not_loaded": frozenset({DriverState.WAITING}),
}


def look(
    driver: GpuDriver, readings: Sequence[GpuReading], node: str, *, expected: int | None = None,
    rules: Mapping[str, GpuRule] = RULES,
) -> Iterator[Seen]:
    """Judge the driver, unless it was let go on request. `expected`: how many GPUs the user says there are."""
    if driver.state is DriverState.PAUSED:
        return
    judged = {
        "gpu_count": _count(driver, readings, expected),
        "driver_unresponsive": _unresponsive(driver),
        "gpus_gone": _gone(driver),
        **{name: _state(driver, states) for name, states in _BY_STATE.items()},
    }
    for name, (observed, words) in judged.items():
        rule = rules[name]
        told = rule.severity if isinstance(observed, Severity) and rule.severity is not None else observed
        yield Seen(_condition(name, rule, words, node), told if rule.enabled else None, rule.keep_ms, rule.for_ms)


def _count(driver: GpuDriver, readings: Sequence[GpuReading], expected: int | None) -> tuple[Observed, str]:
    """GPUs that answered once and do not now are told one by one; here it is about those that were never seen."""
    if driver.state is not DriverState.RUNNING:
        return MISSING, ""
    sources = {"are configured": expected, "are on the PCI bus": driver.on_bus, "are counted by it": driver.counted}
    wanted, source = max((number or 0, words) for words, number in sources.items())
    if len(readings) >= wanted:
        return None, ""
    return Severity.CRITICAL, f"The driver names {len(readings)} GPUs, but {wanted} {source}."


def _unresponsive(driver: GpuDriver) -> tuple[Observed, str]:
    if driver.state is not DriverState.HUNG:
        return None, ""
    return Severity.CRITICAL, f"A call into the GPU driver did not return: {driver.detail}."


def _gone(driver: GpuDriver) -> tuple[Observed, str]:
    if driver.state is not DriverState.LOST or driver.code != GPU_NOT_FOUND:
        return None, ""
    return Severity.CRITICAL, "The driver finds no GPU any more, although there were some in this boot."


def _state(driver: GpuDriver, states: frozenset[DriverState]) -> tuple[Observed, str]:
    if driver.state is DriverState.HUNG:
        return MISSING, ""
    if driver.state not in states or driver.code == GPU_NOT_FOUND:
        return None, ""
    return Severity.WARNING, f"The GPU driver cannot be used: {driver.detail or driver.state}."


def _condition(name: str, rule: GpuRule, message: str, node: str) -> Condition:
    blank = Condition(type=rule.type, identity={"node_id": node, "rule": name}, title=rule.title, message=message)
    return replace(blank, advice=rule.advice)
