"""Who held a GPU's memory over time: as text, one line a process of characters that survive mail and chats, and as
the values of a picture.
"""

from collections.abc import Mapping, Sequence

from agent.core import text
from agent.core.chart import Chart, Series
from agent.core.clock import MINUTE
from agent.core.gpu import MemoryPoint

COLUMNS, PICTURE_COLUMNS = 24, 60
ROWS = 6
"""Processes shown; the others are one row."""
_GIB = 1 << 30
_BARS = "▁▂▃▄▅▆▇█"
_NOTHING = "·"


def chart(
    points: Sequence[MemoryPoint], total: int | None, own: frozenset[int], names: Mapping[int, str]
) -> tuple[str, ...]:
    """Draw the memory of every process on a GPU over time, one line each, as a share of the GPU's memory."""
    if len(points) < 2 or not total:  # noqa: PLR2004 - one point has no course
        return ()
    rows = _rows(points, _columns(points, COLUMNS), own, names)
    width = max(len(row) for row, _ in rows[:ROWS])
    spanned = text.duration(points[-1].at - points[0].at)
    lines = [f"GPU memory over {spanned}, of {text.size(total)}:"]
    lines += [f"{row:<{width}} {_drawn(course, total)} {text.size(course[-1])}" for row, course in rows[:ROWS]]
    if len(rows) > ROWS:
        lines.append(f"and {len(rows) - ROWS} more processes")
    return tuple(lines)


def picture(
    points: Sequence[MemoryPoint], total: int | None, own: frozenset[int], names: Mapping[int, str], title: str
) -> Chart | None:
    """The same as values in GiB, over the minutes before the last point."""
    if len(points) < 2 or not total:  # noqa: PLR2004 - as above
        return None
    columns = _columns(points, PICTURE_COLUMNS)
    minutes = [round((point.at - columns[-1].at) / MINUTE, 2) for point in columns]
    rows = _rows(points, columns, own, names)[:ROWS]
    series = tuple(
        Series(row, tuple((at, round(held / _GIB, 2)) for at, held in zip(minutes, course, strict=True)))
        for row, course in rows
    )
    return Chart(title, "minutes before the error", "GiB", series, event=0.0, limit=round(total / _GIB, 2))


def _rows(
    points: Sequence[MemoryPoint], columns: Sequence[MemoryPoint], own: frozenset[int], names: Mapping[int, str]
) -> list[tuple[str, list[int]]]:
    """Each process with what it held in each column; all memory in use where no process tells."""
    rows = [(_row(pid, names, own), [point.by_pid.get(pid, 0) for point in columns]) for pid in _pids(points)]
    return rows or [("in use", [point.used for point in columns])]


def _columns(points: Sequence[MemoryPoint], count: int) -> list[MemoryPoint]:
    """As many points as there are columns, evenly over time; the last one is the last."""
    first, last = points[0].at, points[-1].at
    wanted = [first + (last - first) * column / (count - 1) for column in range(count)]
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
    return _BARS[step - 1] if held else _NOTHING
