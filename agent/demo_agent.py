"""The agent of the tour: the real daemon, with four simulated GPUs in place of a driver's.

What the GPUs show follows the training of the tour, which writes down its pid and how far it is.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from agent import daemon
from agent.core.clock import Instant
from agent.core.gpu import DriverState, GpuDriver, GpuIdentity, GpuProcess, GpuReading
from agent.core.model import Json
from agent.core.ports import Reading
from agent.demo_training import FAILS_AT, HELD, NEIGHBOUR, TOTAL, TRACE
from agent.sources import proc

GPUS, TRAINS_ON = 4, 3
NAME = "NVIDIA H100 80GB HBM3"
LOOK_EVERY = 0.2
"""Seconds: a real GPU is looked at every ten, but a tour is short."""


class SimulatedGpus:
    """Implements `core.ports.Source`. `trace`: where the training writes its pid and step."""

    name = "gpu"
    interval = LOOK_EVERY

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """There is nothing to continue."""

    def read(self, now: Instant) -> Reading:  # noqa: ARG002 - the shape of a source
        """Show four GPUs, on one of which the training runs beside somebody's notebook."""
        training = self._training()
        return Reading(
            gpus=tuple(_reading(index, training if index == TRAINS_ON else None) for index in range(GPUS)),
            driver=GpuDriver(DriverState.RUNNING, version="580.65.06"),
        )

    def close(self) -> None:
        """Nothing is held open."""

    def _training(self) -> tuple[int, int] | None:
        """The pid and step of the training, while it lives."""
        try:
            pid, step = map(int, self._trace.read_text(encoding="ascii").split())
        except (OSError, ValueError):
            return None
        return (pid, step) if proc.exists(pid) else None


def _reading(index: int, training: tuple[int, int] | None) -> GpuReading:
    gpu = GpuIdentity(f"GPU-5e1ec7ed-000{index}", index, f"0000:{0x1A + index:02x}:00", NAME)
    pid, name, held = NEIGHBOUR
    processes = [GpuProcess(pid, held, name)] if index == TRAINS_ON else []
    if training is not None:
        processes.append(GpuProcess(training[0], HELD * training[1] // FAILS_AT, "python"))
    used = sum(process.memory or 0 for process in processes)
    return GpuReading(
        gpu, memory_total=TOTAL, memory_used=used, memory_free=TOTAL - used, processes=tuple(processes),
        utilization=0.0 if training is None else 0.96, power=88.0 if training is None else 610.0, temperature=41,
    )  # fmt: skip


def main() -> None:
    """Run the daemon on the configuration named first, in whose folder the training runs."""
    config = Path(sys.argv[1])
    place = daemon.Place(config, None, dict(os.environ))
    daemon.run(place, besides=[SimulatedGpus(config.parent / TRACE)])


if __name__ == "__main__":
    main()
