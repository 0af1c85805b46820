"""Why a GPU ran out of memory: what the error says, joined with who held the GPU's memory over the last ten minutes.

Pure. Says what the numbers show, and advice only where they show what the error's own text cannot; where they show
nothing it says nothing. The process may be dead by now: what counts is the last moment at which it was seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core import text
from agent.core.advice import ABSURD_REQUEST
from agent.core.chart import Chart
from agent.core.gpu import GpuIdentity, GpuReading, MemoryPoint
from agent.core.memory_chart import chart, picture
from agent.core.model import Json

FRAGMENTED = 0.1
"""Share of the GPU's memory, reserved by the allocator but not in use, from which fragmentation is the likely cause."""
TENANT = 0.05
"""Share of the GPU's memory that another program must hold to be named."""


@dataclass(frozen=True, slots=True)
class Autopsy:
    """What is told: the GPU, sentences, a chart as lines of equal width, and advice. Kept with the job's incident."""

    gpu: GpuIdentity | None = None
    sentences: tuple[str, ...] = ()
    chart: tuple[str, ...] = ()
    advice: str | None = None
    memory: Chart | None = None
    """The text chart's values, for a picture."""


@dataclass(frozen=True, slots=True)
class Body:
    """What there is to look at. `reading` and `points`: the GPU it happened on, if known, the oldest point first."""

    facts: Mapping[str, Json]
    """What the error's text told, in bytes: `tried`, `free`, `total`, `allocated`, `unallocated`."""
    reading: GpuReading | None = None
    points: Sequence[MemoryPoint] = ()
    own: frozenset[int] = frozenset()
    """The pids of the job's processes, as the host counts them."""
    pid: int | None = None
    """The process that ran out, if that is known."""
    rank: int | None = None

    @property
    def total(self) -> int | None:
        """The memory of the GPU, or of the part of it that the process may use."""
        told = _number(self.facts, "total")
        return told if told is not None or self.reading is None else self.reading.memory_total


def examine(body: Body) -> Autopsy:
    """Look at one out-of-memory error."""
    points = _until_the_end(body.points, body.own)
    others = _others(body, points)
    unseen, names = _unseen(points), _names(body.reading)
    gpu = body.reading.gpu if body.reading is not None else None
    title = "GPU memory" if gpu is None else f"Memory of GPU {gpu.index}"
    return Autopsy(
        gpu=gpu,
        sentences=(*_where(body), *_asked(body.facts), *_tenants(body, others, unseen), *_fragments(body)),
        chart=chart(points, body.total, body.own, names),
        advice=_advice(body, others, unseen),
        memory=picture(points, body.total, body.own, names, title),
    )


def _where(body: Body) -> list[str]:
    """Which GPU of the node that is, and which process: the process counts its GPUs in a way of its own."""
    who = "" if body.pid is None else f"pid {body.pid}"
    if body.rank is not None:
        who = f"{who}, rank {body.rank}" if who else f"rank {body.rank}"
    if body.reading is None:
        return [f"It was {who}."] if who else []
    gpu, number = body.reading.gpu, _number(body.facts, "gpu")
    counted = "" if number in (None, gpu.index) else f", which it counts as {number}"
    by = f", in {who}" if who else ""
    return [f"It was GPU {gpu.index} of the node ({gpu.name}, {gpu.uuid}){counted}{by}."]


def _asked(facts: Mapping[str, Json]) -> list[str]:
    tried, free, total = (_number(facts, name) for name in ("tried", "free", "total"))
    if tried is None or free is None:
        return []
    whole = f" of {text.size(total)}" if total is not None else ""
    return [f"{text.size(tried)} were asked for with {text.size(free)}{whole} free."]


def _tenants(body: Body, others: Mapping[int, int], unseen: int) -> list[str]:
    total, names = body.total, _names(body.reading)
    if not total:
        return []
    sentences = []
    for pid, held in sorted(others.items(), key=lambda item: -item[1]):
        if held >= TENANT * total:
            name = f" ({names[pid]})" if pid in names else ""
            sentences.append(f"Another program, pid {pid}{name}, held {text.size(held)} of the GPU's memory.")
    if unseen >= TENANT * total:
        sentences.append(f"{text.size(unseen)} were held by what cannot be seen from here.")
    return sentences


def _fragments(body: Body) -> list[str]:
    unallocated = _number(body.facts, "unallocated")
    if not _is_fragmented(body, unallocated):
        return []
    return [f"{text.size(unallocated or 0)} were reserved by the allocator but not in use: fragmentation."]


def _is_fragmented(body: Body, unallocated: int | None) -> bool:
    tried, total = _number(body.facts, "tried"), body.total
    if unallocated is None or (tried is not None and tried >= ABSURD_REQUEST):
        return False
    return unallocated >= max(FRAGMENTED * (total or 0), tried or 1)


def _advice(body: Body, others: Mapping[int, int], unseen: int) -> str | None:
    tried, total = _number(body.facts, "tried") or 0, body.total
    if not total or tried >= ABSURD_REQUEST:
        return None
    if sum(others.values()) >= max(TENANT * total, tried):
        return "Another program holds memory on this GPU: end it, or give the job a GPU of its own."
    if unseen >= max(TENANT * total, tried):
        return (
            "Look for another container on this GPU, or for memory that a dead process left behind; "
            "give the job a GPU of its own."
        )
    return None


def _until_the_end(points: Sequence[MemoryPoint], own: frozenset[int]) -> Sequence[MemoryPoint]:
    """The points up to the last one at which the job held memory: afterwards it was dead. All where it never did."""
    last = max((place for place, point in enumerate(points) if not own.isdisjoint(point.by_pid)), default=len(points))
    return points[: last + 1]


def _others(body: Body, points: Sequence[MemoryPoint]) -> Mapping[int, int]:
    """What programs that are not the job's held; nothing is said where the job's own pids are not known."""
    if not points or not body.own & points[-1].by_pid.keys():
        told, held = _number(body.facts, "other_pid"), _number(body.facts, "other_used")
        return {} if told is None or held is None or told in body.own else {told: held}
    return {pid: held for pid, held in points[-1].by_pid.items() if pid not in body.own}


def _unseen(points: Sequence[MemoryPoint]) -> int:
    """What is in use beyond all that is known by its process; 0 where no process tells how much it holds."""
    if not points or not points[-1].by_pid:
        return 0
    return max(0, points[-1].used - sum(points[-1].by_pid.values()))


def _names(reading: GpuReading | None) -> Mapping[int, str]:
    processes = reading.processes if reading is not None else None
    return {item.pid: item.name for item in processes or () if item.name is not None}


def _number(facts: Mapping[str, Json], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) else None
