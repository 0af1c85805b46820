"""Why a GPU ran out of memory: what the error says, joined with who held the GPU's memory over the last ten minutes.

Pure. Says what the numbers show, and one piece of advice that fits; where they show nothing it says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core import text
from agent.core.clock import MINUTE
from agent.core.gpu import GpuReading, MemoryPoint
from agent.core.model import Json

ABSURD = 1 << 40
"""Bytes that no GPU has: whoever asks for so much has a bug or a corrupted size (NVIDIA/nccl#1284)."""
FRAGMENTED = 0.1
"""Share of the GPU's memory, reserved by the allocator but not in use, from which fragmentation is the likely cause."""
TENANT = 0.05
"""Share of the GPU's memory that another program must hold to be named."""
COLUMNS = 24
ROWS = 6
"""Processes shown in the chart; the others are one row."""
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Autopsy:
    """What is told: sentences, a chart as lines of equal width, and advice."""

    sentences: tuple[str, ...] = ()
    chart: tuple[str, ...] = ()
    advice: str | None = None


def examine(
    facts: Mapping[str, Json], reading: GpuReading | None, points: Sequence[MemoryPoint], own: frozenset[int]
) -> Autopsy:
    """Look at one out-of-memory error.

    `facts`: what the error's text told, in bytes (`tried`, `free`, `total`, `allocated`, `unallocated`). `reading` and
    `points`: the GPU it happened on, if that is known. `own`: the pids of the job's processes, in the host's namespace.
    """
    total = _number(facts, "total") or (reading.memory_total if reading is not None else None)
    others = _others(points, own)
    return Autopsy(
        sentences=tuple(_sentences(facts, reading, total, others)),
        chart=chart(points, total, own, _names(reading)),
        advice=_advice(facts, total, others),
    )


def chart(
    points: Sequence[MemoryPoint], total: int | None, own: frozenset[int], names: Mapping[int, str]
) -> tuple[str, ...]:
    """Draw the memory of every process on a GPU over time, one line each, as a share of the GPU's memory."""
    if len(points) < 2 or not total:  # noqa: PLR2004 - one point has no course
        return ()
    columns = _columns(points)
    minutes = max(1, round((points[-1].at - points[0].at) / MINUTE))
    rows = {_row(pid, names, own): pid for pid in _pids(points)}
    width = max((len(row) for row in rows), default=0)
    lines = [f"GPU memory over {minutes} min, of {text.size(total)}:"]
    for row, pid in list(rows.items())[:ROWS]:
        course = [point.by_pid.get(pid, 0) for point in columns]
        lines.append(f"{row:<{width}} {_drawn(course, total)} {text.size(course[-1])}")
    if len(rows) > ROWS:
        lines.append(f"and {len(rows) - ROWS} more processes")
    return tuple(lines)


def _sentences(
    facts: Mapping[str, Json], reading: GpuReading | None, total: int | None, others: Mapping[int, int]
) -> list[str]:
    sentences = []
    tried, free = _number(facts, "tried"), _number(facts, "free")
    if tried is not None and free is not None:
        sentences.append(f"{text.size(tried)} were asked for with {text.size(free)} free.")
    names = _names(reading)
    for pid, held in sorted(others.items(), key=lambda item: -item[1]):
        if total and held >= TENANT * total:
            name = f" ({names[pid]})" if pid in names else ""
            share = f"{text.size(held)} of the GPU's {text.size(total)}"
            sentences.append(f"Another program, pid {pid}{name}, held {share}.")
    return sentences


def _advice(facts: Mapping[str, Json], total: int | None, others: Mapping[int, int]) -> str | None:
    tried, unallocated = _number(facts, "tried"), _number(facts, "unallocated")
    if tried is not None and tried >= ABSURD:
        return f"{text.size(tried)} is no real size: look for a bug or a corrupted shape, not for more memory."
    if total and sum(others.values()) >= max(TENANT * total, tried or 0):
        return "Another program holds memory on this GPU: end it, or give the job a GPU of its own."
    if total and unallocated is not None and unallocated >= max(FRAGMENTED * total, tried or 0):
        return (
            f"{text.size(unallocated)} are reserved but not in use: fragmentation. "
            "Try PYTORCH_ALLOC_CONF=expandable_segments:True."
        )
    return None


def _others(points: Sequence[MemoryPoint], own: frozenset[int]) -> Mapping[int, int]:
    """What programs that are not the job's held at last; nothing is said where the job's own pids are not known."""
    if not points or not own & points[-1].by_pid.keys():
        return {}
    return {pid: held for pid, held in points[-1].by_pid.items() if pid not in own}


def _columns(points: Sequence[MemoryPoint]) -> list[MemoryPoint]:
    """As many points as there are columns, evenly over time; the last one is the last."""
    first, last = points[0].at, points[-1].at
    wanted = [first + (last - first) * column / (COLUMNS - 1) for column in range(COLUMNS)]
    chosen, place = [], 0
    for at in wanted:
        while place + 1 < len(points) and points[place + 1].at <= at:
            place += 1
        chosen.append(points[place])
    return [*chosen[:-1], points[-1]]


def _pids(points: Sequence[MemoryPoint]) -> list[int]:
    """Every process that held memory, the greatest at its most first."""
    most: dict[int, int] = {}
    for point in points:
        for pid, held in point.by_pid.items():
            most[pid] = max(most.get(pid, 0), held)
    return sorted(most, key=lambda pid: -most[pid])


def _row(pid: int, names: Mapping[int, str], own: frozenset[int]) -> str:
    return f"pid {pid} {names.get(pid, '')}".strip() + (" (this job)" if pid in own else "")


def _drawn(course: Sequence[int], total: int) -> str:
    return "".join(_bar(held, total) for held in course)


def _bar(held: int, total: int) -> str:
    step = min(len(_BARS), max(1, round(held / total * len(_BARS))))
    return _BARS[step - 1] if held else " "


def _names(reading: GpuReading | None) -> Mapping[int, str]:
    processes = reading.processes if reading is not None else None
    return {item.pid: item.name for item in processes or () if item.name is not None}


def _number(facts: Mapping[str, Json], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) else None
