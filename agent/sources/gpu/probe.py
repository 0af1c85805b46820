"""One look at every GPU through NVML, in two tiers: what moves fast, and what costs more or moves slowly.

Says what the driver answers and nothing else; a value that it does not give is None.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agent.core.gpu import GpuIdentity, GpuProcess, GpuReading
from agent.core.xids import normalised
from agent.sources import proc
from agent.sources.gpu.nvml import UNKNOWN, XID_EVENTS, Nvml, NvmlError, text

GPUS_AT_MOST = 256
"""More than any node has; a library that counts more counts wrong."""
QUARANTINE = 60.0
"""Seconds after which a GPU that refuses to answer is asked again; the others are asked all along."""

PROCESSES_AT_MOST = 256
FIRST_NAMESPACE = 0xEFFFFFFC
"""The inode of the host's own PID namespace (PROC_PID_INIT_INO): NVML counts pids there, and nowhere else."""

_FIELD_MEMORY_TEMPERATURE = 82
_FIELD_SLOWDOWN_MARGIN = 194
_FIELD_RECOVERY_ACTION = 230
_LIMITED: Mapping[int, str] = {
    74: "sw_power_cap", 75: "hw_slowdown", 76: "sync_boost", 269: "sw_thermal", 270: "hw_thermal", 271: "power_brake",
}
"""Fields that count nanoseconds of limited clocks, by the reason's name in metrics."""
_ECC: Mapping[str, tuple[int, int]] = {
    "corrected_volatile": (0, 0), "uncorrected_volatile": (1, 0), "corrected_aggregate": (0, 1),
    "uncorrected_aggregate": (1, 1),
}
_LINK_ERRORS = ("replay", "recovery", "crc_flit", "crc_data")
"""By the number of the NVLink error counter."""
_LINKS_AT_MOST = 18
_CONSUMER = ("GeForce", "TITAN", "RTX A", "Quadro")
"""Names of products that answer about rows that they cannot remap."""
_MEGA = 1_000_000


class Probe:
    """All GPUs of one generation of the driver."""

    def __init__(self, errors: Counter[tuple[str, int]], note: Callable[[str], object] = str) -> None:
        """Initialise the driver and name what is there. Raises NvmlError. `note`: told which GPU is asked next."""
        self.nvml = Nvml(errors)
        self._note = note
        self.version = text(self.nvml.call("nvmlSystemGetDriverVersion"))
        self.cuda = _cuda(self.nvml)
        self._handles: dict[str, Any] = {}
        self._slow: dict[str, GpuReading] = {}
        self._asked_again_at: dict[str, float] = {}
        self._refused: dict[str, GpuReading] = {}
        self.gpus: dict[str, GpuIdentity] = {}
        self.unnamed: list[int] = []
        """Codes of GPUs that are counted but will not even tell who they are."""
        for index in range(min(int(self.nvml.call("nvmlDeviceGetCount")), GPUS_AT_MOST)):
            self._meet(index)

    def read(self, now: float, *, slow: bool) -> list[GpuReading]:
        """Look at every GPU; with `slow`, also at what moves slowly, which otherwise is as it was last seen."""
        return [self._read(uuid, now, slow=slow) for uuid in self.gpus]

    def register(self, events: object) -> None:
        """Let Xids of every GPU that can tell them come to an event set."""
        for handle in self._handles.values():
            self.nvml.attempt("nvmlDeviceRegisterEvents", handle, XID_EVENTS, events)

    def close(self) -> None:
        """Let go of the driver."""
        self.nvml.close()

    def _meet(self, index: int) -> None:
        try:
            handle = self.nvml.call("nvmlDeviceGetHandleByIndex", index)
            uuid = text(self.nvml.call("nvmlDeviceGetUUID", handle))
            self.gpus[uuid] = _identity(self.nvml, handle, uuid, index)
        except NvmlError as error:
            self.unnamed.append(error.code)
            return
        self._handles[uuid] = handle

    def _read(self, uuid: str, now: float, *, slow: bool) -> GpuReading:
        refused = self._refused.get(uuid)
        if refused is not None and now < self._asked_again_at[uuid]:
            return refused
        try:
            reading = self._ask(uuid, slow=slow or refused is not None)
        except NvmlError as error:
            # Without a stated reason it may be well again at the next look; three such looks make it suspect.
            self._asked_again_at[uuid] = now if error.code == UNKNOWN else now + QUARANTINE
            self._refused[uuid] = GpuReading(self.gpus[uuid], trouble=error.code)
            return self._refused[uuid]
        self._refused.pop(uuid, None)
        return reading

    def _ask(self, uuid: str, *, slow: bool) -> GpuReading:
        gpu, handle = self.gpus[uuid], self._handles[uuid]
        self._note(f"GPU {gpu.index} ({gpu.name}, {gpu.pci})")
        if slow or uuid not in self._slow:
            self._slow[uuid] = _slow(self.nvml, handle, gpu)
        return _fast(self.nvml, handle, self._slow[uuid])


def _fast(nvml: Nvml, handle: object, slow: GpuReading) -> GpuReading:
    # The first question also shows whether the device answers at all.
    temperature = nvml.ask(handle, "nvmlDeviceGetTemperatureV", 0)
    if temperature is None:
        temperature = nvml.ask(handle, "nvmlDeviceGetTemperature", 0)
    memory = nvml.memory(handle)
    if temperature is None and memory is None:
        raise NvmlError(UNKNOWN)
    rates = nvml.ask(handle, "nvmlDeviceGetUtilizationRates")
    power = nvml.ask(handle, "nvmlDeviceGetPowerUsage")
    reasons = nvml.ask(handle, "nvmlDeviceGetCurrentClocksEventReasons")
    if reasons is None:
        reasons = nvml.ask(handle, "nvmlDeviceGetCurrentClocksThrottleReasons")
    fields = nvml.fields(handle, (_FIELD_MEMORY_TEMPERATURE,))
    return replace(
        slow,
        temperature=temperature,
        memory_temperature=fields.get(_FIELD_MEMORY_TEMPERATURE),
        margin=nvml.ask(handle, "nvmlDeviceGetMarginTemperature"),
        memory_total=_of(memory, "total"),
        memory_reserved=_of(memory, "reserved"),
        memory_used=_of(memory, "used"),
        memory_free=_of(memory, "free"),
        utilization=None if rates is None else rates.gpu / 100,
        memory_utilization=None if rates is None else rates.memory / 100,
        power=None if power is None else power / 1000,
        sm_clock=_hertz(nvml.ask(handle, "nvmlDeviceGetClockInfo", 1)),
        memory_clock=_hertz(nvml.ask(handle, "nvmlDeviceGetClockInfo", 2)),
        reasons=reasons,
        processes=_processes(nvml, handle),
    )


def _slow(nvml: Nvml, handle: object, gpu: GpuIdentity) -> GpuReading:
    fields = nvml.fields(handle, (_FIELD_RECOVERY_ACTION, *_LIMITED))
    limit = nvml.ask(handle, "nvmlDeviceGetEnforcedPowerLimit")
    energy = nvml.ask(handle, "nvmlDeviceGetTotalEnergyConsumption")
    pending = nvml.ask(handle, "nvmlDeviceGetRetiredPagesPendingStatus")
    links = _links(nvml, handle)
    return GpuReading(
        gpu,
        power_limit=None if limit is None else limit / 1000,
        energy=None if energy is None else energy / 1000,
        limited={name: fields[number] / 1e9 for number, name in _LIMITED.items() if number in fields},
        ecc=_ecc(nvml, handle),
        remapped=_remapped(nvml, handle) if gpu.row_remapping else {},
        retired_pages=_retired(nvml, handle),
        retired_pending=None if pending is None else bool(pending),
        recovery_action=fields.get(_FIELD_RECOVERY_ACTION),
        pcie_generation=nvml.ask(handle, "nvmlDeviceGetCurrPcieLinkGeneration"),
        pcie_width=nvml.ask(handle, "nvmlDeviceGetCurrPcieLinkWidth"),
        pcie_max_width=nvml.ask(handle, "nvmlDeviceGetMaxPcieLinkWidth"),
        pcie_replays=nvml.ask(handle, "nvmlDeviceGetPcieReplayCounter"),
        links=links,
        link_errors=_link_errors(nvml, handle, len(links)),
    )


def _identity(nvml: Nvml, handle: object, uuid: str, index: int) -> GpuIdentity:
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
        slowdown_margin=nvml.fields(handle, (_FIELD_SLOWDOWN_MARGIN,)).get(_FIELD_SLOWDOWN_MARGIN),
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
    return {} if rows is None else dict(zip(("corrected", "uncorrected", "pending", "failed"), rows, strict=True))


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
    return totals


def _cuda(nvml: Nvml) -> str | None:
    number = nvml.attempt("nvmlSystemGetCudaDriverVersion_v2")
    return None if number is None else f"{number // 1000}.{number % 1000 // 10}"


def _of(structure: Any, name: str) -> int | None:
    value = getattr(structure, name, None)
    return None if value is None else int(value)


def _hertz(megahertz: int | None) -> int | None:
    return None if megahertz is None else megahertz * _MEGA
