"""The latest look at the GPUs, and who held how much of their memory over the last ten minutes. Shared by threads."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from agent.core.clock import Instant
from agent.core.gpu import GpuDriver, GpuReading, MemoryPoint
from agent.core.ports import Reading
from agent.core.xid_rules import XidRecord

PAUSED = "gpus.paused"
"""In the store's `meta`: that the driver is to be let go of."""
KEPT = 600.0
"""Seconds of memory use that are kept, for what is told about an out-of-memory error."""
POINTS_AT_MOST = 600


@dataclass(frozen=True, slots=True)
class GpusSeen:
    """One look. `version` grows with each."""

    readings: tuple[GpuReading, ...] = ()
    driver: GpuDriver | None = None
    version: int = 0


class GpuBoard:
    """A place for the latest values; each method is one short step under the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = GpusSeen()
        self._xids: tuple[XidRecord, ...] = ()
        self.paused = False
        """Whether the driver is to be let go of: set by the evaluator, heeded by the source."""
        self._source: str | None = None
        """Who looks at GPUs."""
        self._memory: dict[str, deque[tuple[float, MemoryPoint]]] = {}

    def publish(self, source: str, reading: Reading, looked_at: Instant) -> None:
        """Show a look at the GPUs; one that was not at them changes nothing."""
        if reading.gpus is None:
            return
        with self._lock:
            self._source = source
            self._seen = GpusSeen(reading.gpus, reading.driver, self._seen.version + 1)
            for item in reading.gpus:
                if item.memory_used is not None:
                    self._remember(item, item.memory_used, looked_at)

    def withdraw(self, source: str) -> None:
        """Show nothing any more of what this source saw."""
        with self._lock:
            if source == self._source:
                self._source = None
                self._seen = GpusSeen(version=self._seen.version + 1)
                self._memory.clear()

    def latest(self) -> GpusSeen:
        """The latest look; without driver before the first."""
        with self._lock:
            return self._seen

    def show_xids(self, xids: Iterable[XidRecord]) -> None:
        """Show how often each Xid came."""
        self._xids = tuple(xids)

    def xids(self) -> tuple[XidRecord, ...]:
        """Every Xid that is remembered."""
        return self._xids

    def memory(self, uuid: str) -> tuple[MemoryPoint, ...]:
        """The memory use of one GPU over the last ten minutes, oldest first."""
        with self._lock:
            return tuple(point for _, point in self._memory.get(uuid, ()))

    def _remember(self, reading: GpuReading, used: int, looked_at: Instant) -> None:
        points = self._memory.setdefault(reading.gpu.uuid, deque(maxlen=POINTS_AT_MOST))
        by_pid = {item.pid: item.memory for item in reading.processes or () if item.memory is not None}
        points.append((looked_at.monotonic, MemoryPoint(looked_at.wall, used, by_pid)))
        while points and points[0][0] < looked_at.monotonic - KEPT:
            points.popleft()
