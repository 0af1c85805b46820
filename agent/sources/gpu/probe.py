"""One look at every GPU through NVML: which there are, which refuse to answer, and what the others show."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from agent.core.gpu import GpuIdentity, GpuReading
from agent.sources.gpu import device
from agent.sources.gpu.nvml import UNKNOWN, XID_EVENTS, Nvml, NvmlError, text

GPUS_AT_MOST = 256
"""More than any node has; a library that counts more counts wrong."""
QUARANTINE = 60.0
"""Seconds after which a GPU that refuses to answer is asked again; the others are asked all along."""


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
        self.counted = min(int(self.nvml.call("nvmlDeviceGetCount")), GPUS_AT_MOST)
        for index in range(self.counted):
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
            self.gpus[uuid] = device.identity(self.nvml, handle, uuid, index)
        except (NvmlError, ValueError):  # it will not even tell who it is, or where
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
            self._slow[uuid] = device.slow(self.nvml, handle, gpu)
        return device.fast(self.nvml, handle, self._slow[uuid])


def _cuda(nvml: Nvml) -> str | None:
    number = nvml.attempt("nvmlSystemGetCudaDriverVersion_v2")
    return None if number is None else f"{number // 1000}.{number % 1000 // 10}"
