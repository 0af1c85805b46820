"""Which GPUs the running jobs hold now, and what those show when one runs out of memory."""

from collections.abc import Collection, Mapping, Sequence

from agent.core import job_gpus
from agent.core.clock import Instant
from agent.core.facts import LogFinding
from agent.core.gpu import GpuIdentity, GpuReading, MemoryPoint
from agent.core.job import HeldGpu, Job
from agent.core.post_mortem import Autopsy, Body, examine
from agent.runtime.board import Board

LOOKED_EVERY = 5.0
"""Seconds between two looks at whose processes are whose, where nothing new is seen of GPUs."""


class JobGpus:
    """What was made of the last look: the processes and GPUs of each running job, by its id."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._readings: dict[str, GpuReading] = {}
        self._pids: dict[str, frozenset[int]] = {}
        self._held: dict[str, tuple[GpuIdentity, ...]] = {}
        self._version = -1
        self._looked_at = float("-inf")
        self._namespace: int | None = None

    def look(self, running: Mapping[str, Job], namespace: int | None, now: Instant) -> bool:
        """See who holds what; returns whether GPUs were looked at since. `namespace`: the agent's own, of pids."""
        seen = self._board.gpus.latest()
        fresh = seen.version != self._version
        if not fresh and running.keys() == self._pids.keys() and now.monotonic - self._looked_at < LOOKED_EVERY:
            return False
        self._version, self._looked_at, self._namespace = seen.version, now.monotonic, namespace
        self._readings = {reading.gpu.uuid: reading for reading in seen.readings}
        trees = self._board.trees()
        lately = {uuid: job_gpus.lately(self._board.gpus.memory(uuid)) for uuid in self._readings}
        remembered = frozenset[int]().union(*lately.values())
        self._pids = {
            job.id: job_gpus.pids_of(job, trees, namespace) | (self.pids(job.id) & remembered)
            for job in running.values()
        }
        self._held = job_gpus.held(self._pids, {job.id: job.gpus for job in running.values()}, seen.readings, lately)
        return fresh

    def held(self) -> dict[str, tuple[HeldGpu, ...]]:
        """The GPUs of each job that is seen to hold any."""
        return {
            job: tuple(HeldGpu(gpu.index, gpu.uuid, gpu.name) for gpu in gpus)
            for job, gpus in self._held.items()
            if gpus
        }

    def holders(self) -> dict[str, list[str]]:
        """The jobs that hold each GPU, by its UUID."""
        found: dict[str, list[str]] = {}
        for job, gpus in self._held.items():
            for gpu in gpus:
                found.setdefault(gpu.uuid, []).append(job)
        return found

    def readings(self) -> Mapping[str, GpuReading]:
        """The last look at every GPU, by UUID."""
        return self._readings

    def readings_of(self, job_id: str) -> tuple[GpuReading, ...]:
        """The last look at the GPUs of one job."""
        return tuple(self._readings[gpu.uuid] for gpu in self._held.get(job_id, ()) if gpu.uuid in self._readings)

    def pids(self, job_id: str) -> frozenset[int]:
        """The processes of one job, and those of the dead that held memory of a GPU lately."""
        return self._pids.get(job_id, frozenset())

    def owner(self, pid: int | None) -> str | None:
        """The running job that a process belongs to, or belonged to when last seen."""
        return next((job for job, pids in self._pids.items() if pid in pids), None)

    def examine(self, job: Job, finding: LogFinding, at: int) -> Autopsy | None:
        """Look at why a job ran out of GPU memory; None where no GPU is seen and the text tells nothing."""
        upto = finding.written_at if finding.written_at is not None else at
        memory = {
            uuid: tuple(point for point in self._board.gpus.memory(uuid) if point.at <= upto)
            for uuid in self._readings
        }
        rank = _rank(finding)
        pid = next((item.pid for item in job.ranks if item.rank == rank and rank is not None), None)
        own = self.pids(job.id) | job_gpus.pids_of(job, self._board.trees(), self._namespace)
        gpu = self._meant(job, finding, own if pid is None else {pid}, memory)
        points = memory[gpu.uuid] if gpu is not None else ()
        reading = self._readings[gpu.uuid] if gpu is not None else None
        told = examine(Body(finding.facts, reading, points, own, pid or _only(own, points), rank))
        return None if told == Autopsy() else told

    def _meant(
        self, job: Job, finding: LogFinding, pids: Collection[int], memory: Mapping[str, Sequence[MemoryPoint]]
    ) -> GpuIdentity | None:
        number = finding.facts.get("gpu")
        where = job_gpus.where(pids, memory)
        return job_gpus.meant(
            number if isinstance(number, int) else None, job.gpus, tuple(self._readings.values()), where
        )


def _rank(finding: LogFinding) -> int | None:
    told = finding.facts.get("rank", finding.rank)
    return told if isinstance(told, int) else None


def _only(own: Collection[int], points: Sequence[MemoryPoint]) -> int | None:
    """The job's process on a GPU, if there is but one."""
    pids = {pid for point in points for pid in point.by_pid if pid in own}
    return pids.pop() if len(pids) == 1 else None
