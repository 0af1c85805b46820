"""The GPU source: the driver's life cycle, and what its GPUs show. Runs in a child process, under a deadline.

The child is replaced when it hangs, and when the driver was upgraded underneath, since a library is never unloaded.
"""

import ctypes
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from agent.core.clock import Instant
from agent.core.codec import decode, encode
from agent.core.facts import Event, KernelSeen, event_id
from agent.core.gpu import DriverState, GpuDriver, GpuIdentity, GpuReading
from agent.core.kernel_log import KernelKind
from agent.core.model import Json, Sample
from agent.core.ports import Reading, Unavailable
from agent.sources import proc
from agent.sources.gpu import nvml
from agent.sources.gpu.library import ABSENT
from agent.sources.gpu.nvml import NvmlError
from agent.sources.gpu.probe import Probe
from agent.sources.gpu.xid_events import XidEvents

BUS = Path("/sys/bus/pci/devices")
NVIDIA = "0x10de"
PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when the thread that started it ends."""
DISPLAY_CLASSES = ("0x0300", "0x0302")
"""PCI classes of GPUs: with and without a display."""
RETRY_FIRST, RETRY_AT_MOST = 1.0, 30.0
"""Seconds between two initialisations of a driver that refuses; doubled each time."""
ABSENT_RETRY = 60.0
"""The same where there is no NVIDIA library at all."""
RENEW_EVERY = 300.0
"""Seconds between two initialisations for the sake of a lost GPU: the others are disturbed by it."""
XIDS_EVERY = 5.0
"""Seconds within which an Xid that only NVML tells of is passed on."""
OF_THE_NODE = frozenset({nvml.LIBRARY_NOT_FOUND, nvml.GPU_NOT_FOUND, 4, nvml.OPERATING_SYSTEM, nvml.UNKNOWN})
"""Answers that mean, where no GPU was ever seen, that there is nothing to watch, or nothing for this agent."""
KNOWN = "known"
"""Key of the checkpoint: the GPUs that answered in this boot."""

_STATES: Mapping[int, DriverState] = {
    nvml.DRIVER_NOT_LOADED: DriverState.WAITING,
    nvml.MISMATCH: DriverState.MISMATCH,
    nvml.LIBRARY_NOT_FOUND: DriverState.ABSENT,
    4: DriverState.FORBIDDEN,
    nvml.OPERATING_SYSTEM: DriverState.FORBIDDEN,
    nvml.UNKNOWN: DriverState.FORBIDDEN,
}
_HINTS: Mapping[int, str] = {
    4: "no permission to open /dev/nvidiactl and /dev/nvidia*",
    nvml.DRIVER_NOT_LOADED: "the NVIDIA kernel module is not loaded",
    nvml.LIBRARY_NOT_FOUND: ABSENT,
    nvml.OPERATING_SYSTEM: "the system refuses access to the GPUs: is the container's device cgroup missing them?",
    nvml.MISMATCH: "library and kernel module are of different versions: reload the driver or reboot",
    nvml.GPU_NOT_FOUND: "the driver finds no GPU",
    nvml.UNKNOWN: "the driver fails for no stated reason; in a container whose device access was taken away "
    "(by `systemctl daemon-reload`, for one) only a new container helps",
}


class Parent(Protocol):
    """What the child may use of its parent."""

    def note(self, text: str) -> None:
        """Name the GPU that is about to be asked."""
        ...


def in_child(settings: Mapping[str, Json], parent: Parent) -> "GpuSource":
    """Build the source in a child process. `settings`: `interval` and `slow_interval` in seconds, `bus` a folder."""
    # Its input ends with the parent, too; but in the middle of a call that never returns it would not notice.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return GpuSource(
        settings["interval"], settings["slow_interval"], bus=settings.get("bus") or str(BUS), note=parent.note
    )


class GpuSource:
    """Implements `core.ports.Source`."""

    name = "gpu"

    def __init__(
        self, interval: float, slow_interval: float, *, bus: str = str(BUS), note: Callable[[str], object] = str
    ) -> None:
        """`note` is told which GPU is about to be asked, since no answer may ever come."""
        self.interval = interval
        self._slow_interval = slow_interval
        self._bus = Path(bus)
        self._note = note
        self._probe: Probe | None = None
        self._xids: XidEvents | None = None
        self._known: dict[str, GpuIdentity] = {}
        self._generation = 0
        self._errors: Counter[tuple[str, int]] = Counter()
        self._code: int | None = None
        self._retry_at = self._slow_at = self._fast_at = self._renewed_at = float("-inf")
        self._retry_after = RETRY_FIRST
        self._told = 0
        self._on_bus: int | None = None
        self._troubles: dict[str, int] = {}
        """With what each GPU that does not answer last refused."""
        self._saved: Mapping[str, GpuIdentity] = {}

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Remember which GPUs answered in this boot, so that one that is lost can be named."""
        saved = checkpoint.get(KNOWN)
        if isinstance(saved, dict) and saved.get("boot") == proc.boot_id():
            self._known = {uuid: decode(GpuIdentity, gpu) for uuid, gpu in saved["gpus"].items()}
            self._saved = dict(self._known)

    def read(self, now: Instant) -> Reading:
        """Look at every GPU if that is due; else pass on Xids. Raises Unavailable where there is no NVIDIA library."""
        at = now.monotonic
        if self._probe is None and at >= self._retry_at:
            self._initialise(at)
        if self._probe is None:
            return self._without_driver(at)
        events = tuple(self._xid_events(now))
        if at < self._fast_at:
            return Reading(samples=self._samples(), events=events, again_in=min(XIDS_EVERY, self._fast_at - at))
        self._fast_at = at + self.interval - 1e-3
        readings = [self._noted(reading) for reading in self._look(self._probe, at)]
        return Reading(
            samples=self._samples(), events=events, checkpoint=self._checkpoint(), gpus=tuple(readings),
            driver=self._driver(DriverState.RUNNING if readings or not self._known else DriverState.LOST),
            again_in=XIDS_EVERY,
        )  # fmt: skip

    def close(self) -> None:
        """Let go of the driver, so that it can be unloaded."""
        if self._xids is not None:
            self._xids.close()
            self._xids = None
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def _initialise(self, at: float) -> None:
        try:
            self._note("the driver itself")
            self._probe = Probe(self._errors, self._note)
        except NvmlError as error:
            self._code = error.code
            wait = ABSENT_RETRY if error.code == nvml.LIBRARY_NOT_FOUND else self._retry_after
            self._retry_at = at + wait
            self._retry_after = min(2 * self._retry_after, RETRY_AT_MOST)
            return
        self._generation += 1
        self._code, self._retry_after = None, RETRY_FIRST
        self._known |= self._probe.gpus
        self._slow_at = self._fast_at = float("-inf")
        try:
            self._xids = XidEvents(self._probe)
        except NvmlError:
            self._xids = None

    def _without_driver(self, at: float) -> Reading:
        code = self._code or 0
        if not self._known and code in OF_THE_NODE:
            raise Unavailable(_HINTS[code])
        state = _STATES.get(code, DriverState.LOST)
        if self._known and state is DriverState.WAITING:
            state = DriverState.LOST
        readings = tuple(GpuReading(gpu, trouble=code) for gpu in self._known.values())
        return Reading(samples=self._samples(), gpus=readings, driver=self._driver(state), again_in=self._retry_at - at)

    def _look(self, probe: Probe, at: float) -> list[GpuReading]:
        slow = at >= self._slow_at
        if slow:
            self._slow_at = at + self._slow_interval - 1e-3
            self._on_bus = _on_bus(self._bus)
        readings = probe.read(at, slow=slow)
        missing = [gpu for uuid, gpu in self._known.items() if uuid not in probe.gpus]
        readings += [GpuReading(gpu, trouble=self._troubles.get(gpu.uuid, nvml.NOT_FOUND)) for gpu in missing]
        self._renew(readings, at)
        return sorted(readings, key=lambda reading: reading.gpu.index)

    def _noted(self, reading: GpuReading) -> GpuReading:
        """Remember how a GPU fares, which after a new initialisation it may not even say; see if it is still there."""
        if reading.trouble is None:
            self._troubles.pop(reading.gpu.uuid, None)
            return reading
        self._troubles[reading.gpu.uuid] = reading.trouble
        return replace(reading, on_bus=_shown(self._bus, reading.gpu.pci))

    def _renew(self, readings: list[GpuReading], at: float) -> None:
        """Begin a new generation where the driver asks for it, or now and then for GPUs that went missing."""
        troubles = [reading.trouble for reading in readings if reading.trouble is not None]
        gone = bool(readings) and len(troubles) == len(readings)
        if 1 in troubles or ((gone or troubles) and at >= self._renewed_at + RENEW_EVERY):
            self._renewed_at = at
            self.close()
            self._retry_at = at

    def _xid_events(self, now: Instant) -> Iterator[Event]:
        for (uuid, number), count in (self._xids.take() if self._xids is not None else {}).items():
            gpu = self._known.get(uuid)
            if gpu is None:
                continue
            self._told += 1
            boot = proc.boot_id()
            fact = KernelSeen(
                boot, KernelKind.XID, f"NVML reported Xid {number}", now.wall, pci=gpu.pci, xid=number,
                facts={"count": count, "nvml": True},
            )  # fmt: skip
            yield Event(event_id("gpu", boot, uuid, number, now.wall, self._told), self.name, now.wall, fact)

    def _driver(self, state: DriverState) -> GpuDriver:
        probe = self._probe
        return GpuDriver(
            state,
            code=self._code,
            detail=_HINTS.get(self._code or 0, "") or (f"NVML answered {self._code}" if self._code else ""),
            version=probe.version if probe is not None else None,
            cuda=probe.cuda if probe is not None else None,
            generation=self._generation,
            on_bus=self._on_bus,
            counted=probe.counted if probe is not None else None,
        )

    def _samples(self) -> tuple[Sample, ...]:
        counts = ((call, code, count) for (call, code), count in self._errors.items())
        return (
            Sample("nvml_generation", self._generation),
            *(Sample("nvml_errors_total", n, {"call": call, "code": str(code)}) for call, code, n in counts),
        )

    def _checkpoint(self) -> dict[str, Json | None]:
        if self._saved == self._known:
            return {}
        self._saved = dict(self._known)
        return {KNOWN: {"boot": proc.boot_id(), "gpus": {uuid: encode(gpu) for uuid, gpu in self._known.items()}}}


def _shown(bus: Path, pci: str) -> bool | None:
    """Whether the PCI bus shows a device; None where the bus cannot be seen."""
    return (bus / f"{pci}.0").exists() if bus.is_dir() else None


def _on_bus(bus: Path) -> int | None:
    """How many NVIDIA GPUs the PCI bus shows; None where it cannot be seen."""
    try:
        devices = list(bus.iterdir())
    except OSError:
        return None
    return sum(_is_gpu(device) for device in devices)


def _is_gpu(device: Path) -> bool:
    try:
        vendor = (device / "vendor").read_text(encoding="ascii").strip()
        return vendor == NVIDIA and (device / "class").read_text(encoding="ascii")[:6] in DISPLAY_CLASSES
    except OSError:
        return False
