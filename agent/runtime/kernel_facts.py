"""Hands what the kernel wrote to those whom it concerns: GPUs, the jobs on them, disks."""

from collections.abc import Iterable

from agent.core import host_memory, xid_rules
from agent.core.facts import KernelSeen
from agent.core.jobbook import JobBook, Turned
from agent.core.kernel_log import KernelKind
from agent.runtime.conditions import Conditions
from agent.runtime.gpu_conditions import GpuConditions
from agent.runtime.job_gpus import JobGpus


class KernelFacts:
    """The listeners. `conditions` stands for the disks."""

    def __init__(self, gpus: GpuConditions, job_gpus: JobGpus, conditions: Conditions) -> None:
        self._gpus = gpus
        self._job_gpus = job_gpus
        self._conditions = conditions

    def hear(self, fact: KernelSeen, at: int, book: JobBook) -> Iterable[Turned]:
        """Take one fact in, noticed at `at` (UTC milliseconds); returns the jobs that it changed."""
        if fact.kind is KernelKind.XID:
            return self._xid(fact, at, book)
        if fact.kind is KernelKind.OOM_KILL:
            owner = self._job_gpus.owner(fact.pid)
            return book.hear(owner, host_memory.finding(fact), at) if owner is not None else ()
        self._conditions.hear(fact, at)
        return ()

    def _xid(self, fact: KernelSeen, at: int, book: JobBook) -> Iterable[Turned]:
        """An Xid concerns the job of the process that it names, else those that hold the GPU."""
        gpu = self._gpus.take(fact, at)
        owner = self._job_gpus.owner(fact.pid)
        holders = self._job_gpus.holders().get(gpu.uuid, []) if gpu is not None else []
        found = xid_rules.finding(fact)
        return [turned for job in ([owner] if owner else holders) for turned in book.hear(job, found, at)]
