"""GPUs that a test scripts: a source that shows what the test says, as often as the real one looks."""

from agent.core.gpu import DriverState, GpuDriver, GpuIdentity, GpuProcess, GpuReading
from agent.core.ports import Reading
from agent.core.sightings import Stuck

GIB = 1 << 30
TRAINS, SPINS, IDLES = (0.97, 600.0), (1.0, 120.0), (0.0, 90.0)
"""Utilisation and watts of a GPU that trains, that waits for other ranks, that does nothing."""


class ScriptedGpus:
    """GPUs of one node. `on`: who holds memory on each, as (pid, bytes, name); `does`: what each does."""

    def __init__(self, node, count=1, interval=10.0):
        self.count, self.interval = count, interval
        self.does = [IDLES] * count
        self.on = [()] * count
        self.stuck, self.working = (), frozenset()
        self.driver = GpuDriver(DriverState.RUNNING)
        node.follow(lambda board, ring: _Source(self))

    def all_do(self, what):
        self.does = [what] * self.count

    def run(self, *pids, held=60 * GIB):
        """Let one process of the job run on each GPU."""
        self.on = [((pid, held, "python3"),) for pid in pids]

    def readings(self):
        return tuple(
            GpuReading(
                GpuIdentity(f"GPU-{index}", index, f"0000:0{index}:00", "NVIDIA H100"), memory_total=80 * GIB,
                memory_used=sum(held for _, held, _ in self.on[index]), utilization=self.does[index][0],
                power=self.does[index][1],
                processes=tuple(GpuProcess(pid, held, name) for pid, held, name in self.on[index]),
            )
            for index in range(self.count)
        )  # fmt: skip


class _Source:
    name = "gpu"

    def __init__(self, script):
        self._script = script
        self.interval = script.interval
        self._due = float("-inf")

    def restore(self, checkpoint):
        pass

    def read(self, now):
        if now.monotonic < self._due:
            return Reading()
        self._due = now.monotonic + self.interval
        stuck = tuple(item if isinstance(item, Stuck) else Stuck(*item) for item in self._script.stuck)
        return Reading(
            gpus=self._script.readings(), driver=self._script.driver, stuck=stuck,
            working=self._script.working,
        )  # fmt: skip

    def close(self):
        pass
