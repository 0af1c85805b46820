"""Which GPUs a job has, and which of them a process means by its own number. Pure.

A program counts the GPUs that its environment allows it from 0 on, so its "GPU 0" may be any. What holds a GPU's memory
is surest; then what the environment allows; a job that is alone on its node has whatever is in use.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from agent.core.gpu import GpuIdentity, GpuReading, MemoryPoint
from agent.core.job import Job
from agent.core.ports import TreeReading

IN_USE = 256 << 20
"""Bytes in use from which a GPU is not at rest: a context of CUDA takes more, a display less."""
NOBODY: Mapping[str, Collection[int]] = MappingProxyType({})


def pids_of(job: Job, trees: Iterable[TreeReading], namespace: int | None) -> frozenset[int]:
    """The pids of a job's processes as `namespace` counts them, as far as they were seen."""
    process = job.process
    if process is None:
        return frozenset()
    known = {(rank.pid, rank.start_ticks) for rank in job.ranks}
    if process.pid_namespace in (None, namespace):
        known.add((process.pid, process.start_ticks))
    pids = {pid for pid, _ in known}
    for tree in trees:
        if tree.seen is not None and not known.isdisjoint(_roots(tree)):
            pids.update(tree.pids)
    return frozenset(pids)


def held(
    jobs: Mapping[str, Collection[int]], allowed: Mapping[str, Sequence[str]], readings: Sequence[GpuReading],
    lately: Mapping[str, Collection[int]] = NOBODY,
) -> dict[str, tuple[GpuIdentity, ...]]:  # fmt: skip
    """The GPUs of each running job.

    `jobs`: every running job with the pids of its processes. `allowed`: what the environment allows it. `lately`: who
    has held memory of each GPU, by its UUID, over the last minutes: a process may just have died, or begin anew.
    """
    found = {}
    for job, pids in jobs.items():
        mine = [item.gpu for item in readings if any(process.pid in pids for process in item.processes or ())]
        mine = mine or [item.gpu for item in readings if not set(pids).isdisjoint(lately.get(item.gpu.uuid, ()))]
        mine = mine or list(visible(allowed.get(job, ()), readings))
        if not mine and len(jobs) == 1 and not _others_hold(readings):
            mine = [item.gpu for item in readings if _in_use(item)]
        found[job] = tuple(mine)
    return found


def visible(allowed: Sequence[str], readings: Sequence[GpuReading]) -> tuple[GpuIdentity, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES names, in its order; empty where that cannot be told.

    Numbers count the GPUs of the node as NVML does only where all are alike: CUDA counts the fastest first.
    """
    gpus = sorted((item.gpu for item in readings), key=lambda gpu: gpu.index)
    alike = len({gpu.name for gpu in gpus}) == 1
    found = []
    for name in allowed:
        by_number = [gpu for gpu in gpus if alike and str(gpu.index) == name]
        by_uuid = [gpu for gpu in gpus if name.startswith("GPU-") and gpu.uuid.startswith(name)]
        matches = by_number or by_uuid
        if len(matches) != 1:
            break  # as CUDA does: nothing counts from the first name on that means no GPU
        found += matches
    return tuple(found)


def meant(
    number: int | None, allowed: Sequence[str], readings: Sequence[GpuReading], where: Collection[str]
) -> GpuIdentity | None:
    """The GPU that a process means by its own `number`; None where that is not certain.

    `where`: the UUIDs of the GPUs on which its job, or better its rank, has held memory.
    """
    counted = visible(allowed, readings) if allowed else tuple(sorted((r.gpu for r in readings), key=lambda g: g.index))
    named = counted[number] if number is not None and number < len(counted) else None
    if named is not None and (named.uuid in where or (not where and (allowed or len(counted) == 1))):
        return named
    here = [item.gpu for item in readings if item.gpu.uuid in where]
    return here[0] if len(here) == 1 else None


def lately(points: Iterable[MemoryPoint]) -> frozenset[int]:
    """Every process that held memory at any of these moments."""
    return frozenset(pid for point in points for pid in point.by_pid)


def where(pids: Collection[int], memory: Mapping[str, Sequence[MemoryPoint]]) -> frozenset[str]:
    """The UUIDs of the GPUs on which any of these processes has lately held memory."""
    return frozenset(uuid for uuid, points in memory.items() if not lately(points).isdisjoint(pids))


def _roots(tree: TreeReading) -> set[tuple[int, int]]:
    seen = tree.seen
    if seen is None:
        return set()
    return {(seen.pid, seen.start_ticks), *((rank.pid, rank.start_ticks) for rank in seen.ranks)}


def _others_hold(readings: Iterable[GpuReading]) -> bool:
    """Whether what holds GPUs can be seen by name, and so is known to be none of the jobs'."""
    processes = [process for item in readings for process in item.processes or ()]
    return bool(processes) and all(process.name is not None for process in processes)


def _in_use(reading: GpuReading) -> bool:
    return (reading.memory_used or 0) >= IN_USE or bool(reading.utilization)
