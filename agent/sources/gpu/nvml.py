"""NVML's calls, asked so that what a product or driver cannot answer is asked once and no more.

The only file that imports pynvml (of the distribution `nvidia-ml-py`). It runs in a child process: a call into a wedged
driver may never return, and a driver that was upgraded can only be loaded by a fresh process.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import pynvml  # type: ignore[import-untyped]

from agent.core.text import strip_controls

NOT_SUPPORTED = 3
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
OPERATING_SYSTEM = 17
MISMATCH = 18
VERSION_MISMATCH = 25
DEPRECATED = 26
NOT_READY = 27
GPU_NOT_FOUND = 28
UNKNOWN = 999

FOR_EVER = frozenset({NOT_SUPPORTED, FUNCTION_NOT_FOUND, DEPRECATED})
"""Answers that stay what they are until the driver is initialised anew."""
OF_THE_DEVICE = frozenset({1, 8, 11, GPU_IS_LOST, RESET_REQUIRED, NOT_READY})
"""Answers that are about the whole GPU and not about the question."""

XID_EVENTS = 8
"""nvmlEventTypeXidCriticalError."""


class NvmlError(Exception):
    """NVML refused; `code` is nvmlReturn_t."""

    def __init__(self, code: int) -> None:
        super().__init__(f"NVML answered {code}")
        self.code = code


class Nvml:
    """One generation of the library: from a successful initialisation to the next.

    Handles and what is unsupported belong to it. `errors` counts refusals by call and code.
    """

    def __init__(self, errors: Counter[tuple[str, int]]) -> None:
        """Initialise. Raises NvmlError."""
        self.errors = errors
        self._unsupported: set[tuple[object, ...]] = set()
        self.call("nvmlInit")

    def call(self, name: str, *args: object) -> Any:
        """Ask once. Raises NvmlError; a symbol that the driver lacks is FUNCTION_NOT_FOUND."""
        try:
            return getattr(pynvml, name)(*args)
        except pynvml.NVMLError as error:
            code = int(error.value)
            if code not in FOR_EVER and not (name == "nvmlEventSetWait_v2" and code == TIMEOUT):
                self.errors[name, code] += 1
            raise NvmlError(code) from None
        except ValueError:  # a text that is none
            self.errors[name, UNKNOWN] += 1
            raise NvmlError(UNKNOWN) from None

    def attempt(self, name: str, *args: object) -> Any:
        """Ask once; None where there is no answer."""
        try:
            return self.call(name, *args)
        except NvmlError:
            return None

    def ask(self, handle: object, name: str, *args: Hashable) -> Any:
        """Ask a device; None where it has no answer. Raises NvmlError for what concerns the whole device."""
        key = (id(handle), name, *args)
        if key in self._unsupported:
            return None
        try:
            return self.call(name, handle, *args)
        except NvmlError as error:
            if error.code in FOR_EVER:
                self._unsupported.add(key)
            elif error.code in OF_THE_DEVICE:
                raise
            return None

    def fields(self, handle: object, numbers: Sequence[int], scope: int = 0) -> dict[int, int]:
        """Ask for fields at once, as whole numbers; what the device does not know is left out. `scope`: a link."""
        wanted = tuple((number, scope) for number in numbers if (id(handle), number, scope) not in self._unsupported)
        found: dict[int, int] = {}
        for value in (self.ask(handle, "nvmlDeviceGetFieldValues", wanted) if wanted else None) or ():
            if value.nvmlReturn == 0:
                found[int(value.fieldId)] = _number(value)
            elif value.nvmlReturn in FOR_EVER:
                self._unsupported.add((id(handle), int(value.fieldId), scope))
        return found

    def memory(self, handle: object) -> Any:
        """Memory without what the driver keeps for itself; of drivers before 510, which cannot tell, with it."""
        found = self.ask(handle, "nvmlDeviceGetMemoryInfo", pynvml.nvmlMemory_v2)
        return found if found is not None else self.ask(handle, "nvmlDeviceGetMemoryInfo")

    def close(self) -> None:
        """Let go of the driver."""
        self.attempt("nvmlShutdown")


def text(value: object) -> str:
    """What pynvml returns as bytes or text, by its version, as a text that can be shown."""
    return strip_controls(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _number(value: Any) -> int:
    """The value of a field by its type (nvmlValueType_t); temperature limits are signed."""
    kinds = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    kind = int(value.valueType)
    return int(getattr(value.value, kinds[kind] if kind < len(kinds) else "ullVal"))
