"""What one GPU answers, in two tiers: what moves fast, and what costs more or moves slowly.

Says what the driver answers and nothing else; a value that it does not give, or that no GPU can have, is None.
"""

from collections.abc import Mapping
from dataclasses import replace

from agent.core.gpu import GpuIdentity, GpuProcess, GpuReading
from agent.core.xids import normalised
from agent.sources import proc
from agent.sources.gpu import plausible
from agent.sources.gpu.nvml import UNKNOWN, Nvml, NvmlError, text

PROCESSES_AT_MOST = 256
FIRST_NAMESPACE = 0xEFFFFFFC
"""The inode of the host's own PID namespace (PROC_PID_INIT_INO): NVML counts pids there, and nowhere else."""

_MEMORY_TEMPERATURE = 82
_SLOWDOWN_MARGIN = 194
_RECOVERY_ACTION = 230
_LIMITED: Mapping[int, str] = {
    74: "sw_power_cap", 75: "hw_slowdown", 76: "sync_boost", 269: "sw_thermal", 270: "hw_thermal", 271: "power_brake",
}
"""Fields that count nanoseconds of limited clocks, by the reason's name in metrics."""
_ECC: Mapping[str, tuple[int, int]] = {
    "corrected_volatile": (0, 0), "uncorrected_volatile": (1, 0), "corrected_aggregate": (0, 1),
    "uncorrected_aggregate": (1, 1),
}
_LINK_ERRORS = ("replay", "recovery", "crc_flit", "crc_data")
"""By the number of the NVLink error counter, before NVLink 5."""
_LINK_5_ERRORS: Mapping[int, str] = {
    206: "malformed", 207: "buffer_overrun", 208: "receive", 211: "integrity", 215: "recovery",
}
"""Fields of NVLink 5, each of one link."""
_LINKS_AT_MOST = 18
_CONSUMER = ("GeForce", "TITAN", "RTX A", "Quadro")
"""Names of products that answer about rows that they cannot remap."""


def fast(nvml: Nvml, handle: object, known: GpuReading) -> GpuReading:
    """Ask for what moves fast; the rest is as it is known. Raises NvmlError if the device does not answer."""
    # The first question also shows whether the device answers at all.
    temperature = nvml.ask(handle, "nvmlDeviceGetTemperatureV", 0)
    if temperature is None:
        temperature = nvml.ask(handle, "nvmlDeviceGetTemperature", 0)
    temperature = plausible.celsius(temperature)
    memory = plausible.memory(nvml.memory(handle))
    if temperature is None and memory is None:
        raise NvmlError(UNKNOWN)
    rates = nvml.ask(handle, "nvmlDeviceGetUtilizationRates")
    power = nvml.ask(handle, "nvmlDeviceGetPowerUsage")
    reasons = nvml.ask(handle, "nvmlDeviceGetCurrentClocksEventReasons")
    if reasons is None:
        reasons = nvml.ask(handle, "nvmlDeviceGetCurrentClocksThrottleReasons")
    fields = nvml.fields(handle, (_MEMORY_TEMPERATURE,))
    return replace(
        known,
        temperature=temperature,
        memory_temperature=plausible.celsius(fields.get(_MEMORY_TEMPERATURE)),
        margin=plausible.celsius(nvml.ask(handle, "nvmlDeviceGetMarginTemperature")),
        memory_total=plausible.of(memory, "total"),
        memory_reserved=plausible.of(memory, "reserved"),
        memory_used=plausible.of(memory, "used"),
        memory_free=plausible.of(memory, "free"),
        utilization=plausible.ratio(rates, "gpu"),
        memory_utilization=plausible.ratio(rates, "memory"),
        power=plausible.watts(power),
        sm_clock=plausible.hertz(nvml.ask(handle, "nvmlDeviceGetClockInfo", 1)),
        memory_clock=plausible.hertz(nvml.ask(handle, "nvmlDeviceGetClockInfo", 2)),
        reasons=reasons,
        processes=_processes(nvml, handle),
    )


def slow(nvml: Nvml, handle: object, gpu: GpuIdentity) -> GpuReading:
    """Ask for what moves slowly. Raises NvmlError if the device does not answer."""
    fields = nvml.fields(handle, (_RECOVERY_ACTION, *_LIMITED))
    limit = nvml.ask(handle, "nvmlDeviceGetEnforcedPowerLimit")
    energy = nvml.ask(handle, "nvmlDeviceGetTotalEnergyConsumption")
    pending = nvml.ask(handle, "nvmlDeviceGetRetiredPagesPendingStatus")
    links = _links(nvml, handle)
    return GpuReading(
        gpu,
        power_limit=plausible.watts(limit),
        energy=None if energy is None else energy / 1000,
        limited={name: fields[number] / 1e9 for number, name in _LIMITED.items() if number in fields},
        ecc=_ecc(nvml, handle),
        remapped=_remapped(nvml, handle) if gpu.row_remapping else {},
        retired_pages=_retired(nvml, handle),
        retired_pending=None if pending is None else bool(pending),
        recovery_action=fields.get(_RECOVERY_ACTION),
        pcie_generation=nvml.ask(handle, "nvmlDeviceGetCurrPcieLinkGeneration"),
        pcie_width=nvml.ask(handle, "nvmlDeviceGetCurrPcieLinkWidth"),
        pcie_max_width=nvml.ask(handle, "nvmlDeviceGetMaxPcieLinkWidth"),
        pcie_replays=nvml.ask(handle, "nvmlDeviceGetPcieReplayCounter"),
        links=links,
        link_errors=_link_errors(nvml, handle, len(links)),
    )


def identity(nvml: Nvml, handle: object, uuid: str, index: int) -> GpuIdentity:
    """Ask what names a GPU, and what stays as it is. Raises NvmlError, or ValueError for an address that is none."""
    name = text(nvml.ask(handle, "nvmlDeviceGetName") or "NVIDIA GPU")
    pci = nvml.call("nvmlDeviceGetPciInfo", handle)
    mig = nvml.ask(handle, "nvmlDeviceGetMigMode")
    persistence = nvml.ask(handle, "nvmlDeviceGetPersistenceMode")
    vbios, serial = nvml.ask(handle, "nvmlDeviceGetVbiosVersion"), nvml.ask(handle, "nvmlDeviceGetSerial")
    remapping = not any(word in name for word in _CONSUMER)
    return GpuIdentity(
        uuid, index, normalised(text(pci.busId)), name,
        minor=nvml.ask(handle, "nvmlDeviceGetMinorNumber"),
        vbios=None if vbios is None else text(vbios),
        serial=None if serial is None else text(serial),
        slowdown=nvml.ask(handle, "nvmlDeviceGetTemperatureThreshold", 1),
        memory_limit=nvml.ask(handle, "nvmlDeviceGetTemperatureThreshold", 2),
        slowdown_margin=nvml.fields(handle, (_SLOWDOWN_MARGIN,)).get(_SLOWDOWN_MARGIN),
        mig=None if mig is None else bool(mig[0]),
        persistence=None if persistence is None else bool(persistence),
        row_remapping=remapping and nvml.ask(handle, "nvmlDeviceGetRemappedRows") is not None,
    )  # fmt: skip


def _processes(nvml: Nvml, handle: object) -> tuple[GpuProcess, ...] | None:
    found = nvml.ask(handle, "nvmlDeviceGetComputeRunningProcesses")
    if found is None:
        return None
    return tuple(_process(int(item.pid), item.usedGpuMemory) for item in found[:PROCESSES_AT_MOST])


def _process(pid: int, memory: int | None) -> GpuProcess:
    seen = proc.stat(pid)
    if seen is None:
        return GpuProcess(pid, memory, dead=proc.pid_namespace() == FIRST_NAMESPACE and not proc.exists(pid))
    return GpuProcess(pid, memory, seen.name, dead=seen.ended)


def _ecc(nvml: Nvml, handle: object) -> dict[str, int]:
    asked = {name: nvml.ask(handle, "nvmlDeviceGetTotalEccErrors", *which) for name, which in _ECC.items()}
    return {name: int(count) for name, count in asked.items() if count is not None}


def _remapped(nvml: Nvml, handle: object) -> dict[str, int]:
    rows = nvml.ask(handle, "nvmlDeviceGetRemappedRows")
    if rows is None or max(rows) > plausible.ROWS_AT_MOST:
        return {}
    return dict(zip(("corrected", "uncorrected", "pending", "failed"), rows, strict=True))


def _retired(nvml: Nvml, handle: object) -> int | None:
    causes = [nvml.ask(handle, "nvmlDeviceGetRetiredPages", cause) for cause in (0, 1)]
    known = [len(pages) for pages in causes if pages is not None]
    return sum(known) if known else None


def _links(nvml: Nvml, handle: object) -> tuple[bool, ...]:
    """The state of every NVLink; the first that is not supported is one more than there are."""
    states: list[bool] = []
    for link in range(_LINKS_AT_MOST):
        state = nvml.ask(handle, "nvmlDeviceGetNvLinkState", link)
        if state is None:
            break
        states.append(bool(state))
    return tuple(states)


def _link_errors(nvml: Nvml, handle: object, links: int) -> dict[str, int]:
    totals: dict[str, int] = {}
    for number, name in enumerate(_LINK_ERRORS):
        counts = [nvml.ask(handle, "nvmlDeviceGetNvLinkErrorCounter", link, number) for link in range(links)]
        known = [int(count) for count in counts if count is not None]
        if known:
            totals[name] = sum(known)
    return totals or _link_5_errors(nvml, handle, links)


def _link_5_errors(nvml: Nvml, handle: object, links: int) -> dict[str, int]:
    totals: dict[str, int] = {}
    for link in range(links):
        for number, count in nvml.fields(handle, tuple(_LINK_5_ERRORS), link).items():
            totals[_LINK_5_ERRORS[number]] = totals.get(_LINK_5_ERRORS[number], 0) + count
    return totals
