"""What is known of one GPU at one moment. Unknown is None, never 0: many products answer only a part of all questions.

Everything is keyed by UUID: a GPU's index, its minor number and the index that a job sees all differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

GpuCounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that computes on a GPU. The pid counts in the host's namespace, even inside a container."""

    pid: int
    memory: int | None = None
    """Bytes; None where the driver does not tell."""
    name: str | None = None
    """None if no process of that pid can be seen."""
    dead: bool = False
    """Whether it is certain that nothing runs under that pid any more."""


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """What names a GPU, kept from when it last answered: a lost one tells neither UUID nor address."""

    uuid: str
    index: int
    pci: str
    """Domain, bus and device, as `"0000:05:00"`."""
    name: str
    minor: int | None = None
    vbios: str | None = None
    serial: str | None = None
    slowdown: int | None = None
    """Temperature in Celsius at which clocks are cut."""
    memory_limit: int | None = None
    """The highest temperature of the memory, in Celsius."""
    slowdown_margin: int | None = None
    """The margin at which clocks are cut, in Celsius (field 194); None where the product has no margin."""
    mig: bool | None = None
    persistence: bool | None = None
    row_remapping: bool = False
    """Whether the remapping of rows is to be believed: consumer cards answer zeros without having it."""


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One look at one GPU. Base units: bytes, Celsius, watts, joules, hertz; ratios from 0 to 1."""

    gpu: GpuIdentity
    trouble: int | None = None
    """The NVML code with which the device refuses to answer; the other fields are empty then."""
    on_bus: bool | None = None
    """Whether the PCI bus still shows it; looked at only where it refuses."""
    memory_total: int | None = None
    memory_reserved: int | None = None
    memory_used: int | None = None
    memory_free: int | None = None
    utilization: float | None = None
    memory_utilization: float | None = None
    temperature: int | None = None
    memory_temperature: int | None = None
    margin: int | None = None
    """Degrees left until the GPU cuts its clocks or stops; may be negative."""
    power: float | None = None
    power_limit: float | None = None
    energy: float | None = None
    """Since the driver was loaded or the GPU reset."""
    sm_clock: int | None = None
    memory_clock: int | None = None
    reasons: int | None = None
    """Why clocks are limited: the bits of `ClockReason`."""
    limited: Mapping[str, float] = field(default_factory=dict)
    """Seconds that clocks were limited so far, by reason."""
    ecc: GpuCounts = field(default_factory=dict)
    """Memory errors: `corrected_volatile`, `uncorrected_volatile`, `corrected_aggregate`, `uncorrected_aggregate`."""
    remapped: GpuCounts = field(default_factory=dict)
    """Rows: `corrected`, `uncorrected`; and `pending`, `failed` as 0 or 1."""
    retired_pages: int | None = None
    retired_pending: bool | None = None
    recovery_action: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    pcie_max_width: int | None = None
    pcie_replays: int | None = None
    links: tuple[bool, ...] = ()
    """NVLinks, whether each is up; empty where there are none."""
    link_errors: GpuCounts = field(default_factory=dict)
    """Over all links: `replay`, `recovery`, `crc_flit`, `crc_data`; of NVLink 5 `malformed`, `buffer_overrun`,
    `receive`, `integrity`, `recovery`."""
    processes: tuple[GpuProcess, ...] | None = None


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """Who held a GPU's memory at one moment: bytes in all, and by pid. `at` is UTC milliseconds."""

    at: int
    used: int
    by_pid: Mapping[int, int]


class DriverState(StrEnum):
    """Whether the driver answers."""

    RUNNING = "running"
    ABSENT = "absent"
    """There is no NVIDIA library: a node without GPUs, or a container without its runtime."""
    WAITING = "waiting"
    """The library is there, the driver is not loaded yet."""
    MISMATCH = "mismatch"
    """Library and kernel module are of different versions: upgraded underneath, or waiting for a reboot."""
    FORBIDDEN = "forbidden"
    LOST = "lost"
    """It answered before and does not any more."""
    HUNG = "hung"
    """A call into it did not return in time."""
    PAUSED = "paused"
    """Let go on request, so that it can be upgraded."""


@dataclass(frozen=True, slots=True)
class GpuDriver:
    """The driver at one moment. `code`: what NVML answered last, if not success."""

    state: DriverState
    code: int | None = None
    detail: str = ""
    version: str | None = None
    cuda: str | None = None
    generation: int = 0
    """How often it was initialised; what is cached belongs to one generation."""
    on_bus: int | None = None
    """NVIDIA GPUs that the PCI bus shows."""
    counted: int | None = None
    """GPUs that the driver counts; one that was lost before it was ever seen is counted and not named."""


class ClockReason:
    """Bits of the clock event reasons that rules look at (nvml.h)."""

    HW_SLOWDOWN = 0x008
    SW_THERMAL = 0x020
    HW_THERMAL = 0x040
    POWER_BRAKE = 0x080


CLOCK_REASONS: Mapping[int, str] = {
    0x001: "idle",
    0x002: "application_clocks",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal",
    0x040: "hw_thermal",
    0x080: "power_brake",
    0x100: "display_clocks",
}
"""Every bit by its name in metrics."""
RECOVERY_ACTIONS: Mapping[int, str] = {
    0: "none",
    1: "reset the GPU",
    2: "reboot the node",
    3: "drain peer-to-peer traffic",
    4: "drain and reset the GPU",
    5: "recover the IMEX domain",
}
"""The driver's own verdict (field 230), in words."""
