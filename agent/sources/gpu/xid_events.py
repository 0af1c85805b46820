"""Xids that NVML tells of: for nodes whose kernel log may not be read. Waits in a thread, since waiting blocks.

Events before the registration are never told again, and not every Xid comes this way: the kernel log is the better
source.
"""

import threading
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any

from agent.sources.gpu.nvml import TIMEOUT, NvmlError, text
from agent.sources.gpu.probe import Probe

WAIT_MS = 1_000
"""How long one wait lasts, so that the thread notices its end."""
WAITING_AT_MOST = 1_000
"""Xids kept until the next look; one job may cause ten thousand (NVIDIA/NVSentinel#1748)."""


class XidEvents:
    """Listens for one generation of the driver."""

    def __init__(self, probe: Probe) -> None:
        """Raises NvmlError where the driver has no events."""
        self._nvml = probe.nvml
        self._set: Any = self._nvml.call("nvmlEventSetCreate")
        probe.register(self._set)
        self._seen: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="xids", daemon=True)
        self._thread.start()

    def take(self) -> Mapping[tuple[str, int], int]:
        """What came since the last time: how often each Xid, by UUID and number."""
        counts: dict[tuple[str, int], int] = {}
        while True:
            try:
                key = self._seen.get_nowait()
            except Empty:
                return counts
            counts[key] = counts.get(key, 0) + 1

    def close(self) -> None:
        """End the thread; one that waits in the driver ends with the process."""
        self._ending.set()
        self._thread.join(2 * WAIT_MS / 1_000)

    def _listen(self) -> None:
        while not self._ending.is_set():
            try:
                event = self._nvml.call("nvmlEventSetWait_v2", self._set, WAIT_MS)
                uuid = text(self._nvml.call("nvmlDeviceGetUUID", event.device))
            except NvmlError as error:
                if error.code != TIMEOUT:
                    self._ending.wait(WAIT_MS / 1_000)  # a lost GPU answers at once, again and again
                continue
            if event.eventData and self._seen.qsize() < WAITING_AT_MOST:  # 0 is no Xid (leptonai/gpud#164)
                self._seen.put((uuid, int(event.eventData)))
