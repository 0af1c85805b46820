"""What GPUs and processes show of each running job, followed from look to look, for the rule about stalls."""

from collections.abc import Mapping

from agent.core import gpu_pace
from agent.core.clock import MINUTE
from agent.core.gpu_pace import GpuPace
from agent.core.job import Job
from agent.core.pace import usual
from agent.core.standstill import NO_GPUS, NOTHING_SEEN, Standstill
from agent.runtime.board import Board
from agent.runtime.job_gpus import JobGpus

DOUBTFUL = MINUTE
"""Milliseconds without a step after which a job's processes are looked at, if its steps are usually shorter."""


class Standstills:
    """The GPUs of each job over time, by the job's id."""

    def __init__(self, board: Board, gpus: JobGpus) -> None:
        self._board = board
        self._gpus = gpus
        self._paces: dict[str, GpuPace] = {}
        self._seen: dict[str, Standstill] = {}

    def follow(self, running: Mapping[str, Job], now: int, *, fresh: bool) -> None:
        """Take in a look at the GPUs, if there is a new one (`fresh`), and what is seen of processes."""
        if fresh:
            self._paces = {
                job.id: gpu_pace.follow(self._paces.get(job.id, NO_GPUS), job.pace, self._gpus.readings_of(job.id), now)
                for job in running.values()
            }
        stuck, working = self._board.stuck(), self._board.working()
        for job in running.values():
            own = self._gpus.pids(job.id) if stuck else frozenset()
            pace = self._paces.get(job.id, NO_GPUS)
            busy = not working.isdisjoint(process.pid for gpu in pace.waited_for for process in gpu.processes or ())
            seen = Standstill(pace, tuple(item for item in stuck if item.pid in own), busy)
            if seen != self._seen.get(job.id):
                self._seen[job.id] = seen
        self._seen = {job: seen for job, seen in self._seen.items() if job in running}

    def of(self, job_id: str) -> Standstill:
        """What is seen of one job; the same value as long as nothing has changed."""
        return self._seen.get(job_id, NOTHING_SEEN)

    def suspects(self, running: Mapping[str, Job], now: int) -> frozenset[int]:
        """The processes of jobs that have made no step for so long that they may be stuck."""
        doubtful = (job.id for job in running.values() if _is_doubtful(job, now))
        return frozenset(pid for job in doubtful for pid in self._gpus.pids(job))


def _is_doubtful(job: Job, now: int) -> bool:
    if job.log is None or job.exit is not None:
        return False  # it is never judged
    silent = now - (job.pace.moved_at or job.started_at)
    return silent >= DOUBTFUL and silent >= usual(job.pace.gaps)
