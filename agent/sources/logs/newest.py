"""What the end of a piece shows of training: the newest activity, step and loss, in as few records as that takes.

Knows records and patterns; what its findings come to is `core/runs`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.core.facts import Progress
from agent.core.lines import clean
from agent.core.patterns import Found, Marker, Table
from agent.sources.logs.engine import record_begin

STEP_WITHIN = 24
"""Records before the newest loss in which its step is looked for; blocks of a line a value have that many."""

Shown = tuple[int, Found]
"""The byte offset of a record, and what it shows."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes of a log that were not read for progress yet, from offset `base` on.

    `cut`: the first record may have begun earlier. `pending`: the record behind them that may still grow, with its
    offset; one that has not `ended` may be cut within a number.
    """

    base: int
    data: bytes
    cut: bool = False
    pending: tuple[int, bytes] | None = None
    ended: bool = False

    def backwards(self) -> Iterator[tuple[int, bytes, bool]]:
        """Each record that is not empty, the last one first: its offset, its bytes, and whether it has ended."""
        if self.pending is not None:
            yield (*self.pending, self.ended)
        end = len(self.data)
        while end > 0:
            begin = record_begin(self.data, end)
            shown = self._behind_a_bar(end) if begin == 0 and self.cut else begin
            if shown < end:
                yield self.base + shown, self.data[shown:end], True
            end = begin - 1

    def _behind_a_bar(self, end: int) -> int:
        """Where whole bars begin in a record that is cut; `end`, its end, where there are none."""
        begin = self.data.find(b"]", 0, end) + 1
        return begin if begin and b"%|" in self.data[begin:end] else end


class Reader:
    """Reads one stretch with what is left of the table for it."""

    def __init__(self, table: Table, stretch: Stretch, max_line: int) -> None:
        self._table = table
        self._stretch = stretch
        self._max_line = max_line

    def marker(self) -> Marker | None:
        """The first framework of the table that some text of the stretch names."""
        if not self._table.markers:
            return None
        return self._table.marked(lambda text: text.encode() in self._stretch.data)

    def output(self) -> str | None:
        """The folder for checkpoints that the stretch names last."""
        return self._table.output(self._stretch.data.decode("utf-8", "replace")) if self._table.outputs else None

    def every(self) -> list[Shown]:
        """What each record shows, in the order of the file."""
        if not self._table.patterns:
            return []
        found = [(offset, self._find(data, ended=ended)) for offset, data, ended in self._stretch.backwards()]
        return [(offset, item) for offset, item in reversed(found) if item is not None]

    def newest(self, beside: Callable[[Progress], bool]) -> list[Shown]:
        """What tells the newest activity, step, loss and epoch, in the order of the file.

        `beside`: tells of a counter that is not the training's.
        """
        picked: list[Shown] = []
        if not self._table.patterns:
            return picked
        stepped = lossy = False
        left = STEP_WITHIN
        headed = not self._table.heads
        lossless = b"oss" not in self._stretch.data
        for offset, data, ended in self._stretch.backwards():
            if stepped and not (b"oss" in data and not lossy) and not (b"poch" in data and not headed):
                continue
            found = self._find(data, ended=ended)
            left -= lossy
            if found is not None and (found.trains or not picked):
                picked.append((offset, found))
                counts = found.progress.step is not None and not beside(found.progress)
                stepped = stepped or counts
                headed = headed or found.head or (counts and found.progress.epoch is not None)
                lossy = lossy or (found.progress.loss is not None and not found.weak)
            if headed and ((lossy and (not left or not self._table.counts)) or (stepped and (lossy or lossless))):
                break
        return picked[::-1]

    def _find(self, data: bytes, *, ended: bool) -> Found | None:
        return self._table.find(clean(data[-self._max_line :]).text, ended=ended)
