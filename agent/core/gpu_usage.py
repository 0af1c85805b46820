"""What GPUs did, hour by hour, and for which job: the sums that reports are made of. Pure.

For each hour and GPU there is one row about the GPU itself, and one about each job that held it in that hour, which
counts only the time in which it did. Jobs that share a GPU each count in full.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.core.clock import HOUR
from agent.core.gpu import GpuReading

WHOLE = ""
"""In place of a job's id: the GPU itself, whoever holds it."""
GAP_AT_MOST = 120.0
"""Seconds between two looks beyond which nothing is said of the time between them."""
IDLE_BELOW = 0.05
"""Utilisation below which a GPU that a job holds does nothing: that of the rule `gpu_idle_in_job`."""


class UsageKey(NamedTuple):
    """Which row: the beginning of the hour in UTC milliseconds, the GPU's UUID, a job's id or `WHOLE`."""

    hour: int
    gpu: str
    job: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What adds up. Times are seconds of one GPU; energy is in joules, memory in bytes; unknown is None."""

    seen: float = 0.0
    """Time that somebody looked."""
    held: float = 0.0
    """Time that any job held it."""
    measured: float = 0.0
    """Time for which the utilisation is known."""
    busy: float = 0.0
    """Utilisation over that time: half an hour at 50 % is 900."""
    idle: float = 0.0
    """Time that a job held it while it did nothing."""
    energy: float | None = None
    memory_peak: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        """Both together."""
        return Usage(
            self.seen + other.seen, self.held + other.held, self.measured + other.measured, self.busy + other.busy,
            self.idle + other.idle, _sum(self.energy, other.energy), _most(self.memory_peak, other.memory_peak),
        )  # fmt: skip

    @property
    def utilization(self) -> float | None:
        """The average, from 0 to 1; None where it was never known."""
        return self.busy / self.measured if self.measured else None


def hour_of(at: int) -> int:
    """The beginning of the hour in which a moment lies; both UTC milliseconds."""
    return at - at % HOUR


def taken(
    before: Mapping[str, GpuReading], after: Sequence[GpuReading], holders: Mapping[str, Collection[str]], *, hour: int,
    seconds: float,
) -> dict[UsageKey, Usage]:  # fmt: skip
    """What happened between two looks at the GPUs, `seconds` apart, to be added to the rows of `hour`.

    `before`: the earlier look by UUID. `holders`: the jobs that hold each GPU, by UUID.
    """
    rows: dict[UsageKey, Usage] = {}
    if not 0 < seconds <= GAP_AT_MOST:
        return rows
    for reading in after:
        uuid = reading.gpu.uuid
        earlier = before.get(uuid)
        if earlier is None or reading.trouble is not None:
            continue
        jobs = holders.get(uuid, ())
        for job in (WHOLE, *jobs):
            rows[UsageKey(hour, uuid, job)] = _between(earlier, reading, seconds, held=bool(jobs))
    return rows


def _between(before: GpuReading, after: GpuReading, seconds: float, *, held: bool) -> Usage:
    busy = after.utilization
    return Usage(
        seen=seconds,
        held=seconds if held else 0.0,
        measured=0.0 if busy is None else seconds,
        busy=(busy or 0.0) * seconds,
        idle=seconds if held and busy is not None and busy < IDLE_BELOW else 0.0,
        energy=_energy(before, after, seconds),
        memory_peak=after.memory_used,
    )


def _energy(before: GpuReading, after: GpuReading, seconds: float) -> float | None:
    """By the GPU's own counter; where it has none, or began anew, by its power."""
    if before.energy is not None and after.energy is not None and after.energy >= before.energy:
        return after.energy - before.energy
    return None if after.power is None else after.power * seconds


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one + (other or 0.0)


def _most(one: int | None, other: int | None) -> int | None:
    return other if one is None else max(one, other or 0)
