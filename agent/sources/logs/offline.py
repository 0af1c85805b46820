"""A finished log read once, from any stream of bytes: its findings, its last progress and its first step.

Large pieces keep up with the disk. The beginning and the end are read in small ones, because every piece's end is read
for progress: between them the numbers matter only where something was found.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from agent.core.facts import LogFinding, Progress, TrainingSeen
from agent.core.lines import clean
from agent.core.patterns import Marker
from agent.core.verdict import Begun
from agent.sources.logs.buffer import KEPT
from agent.sources.logs.recogniser import Place
from agent.sources.logs.rules import Rules
from agent.sources.logs.scanner import LogScanner, Noticed

PIECE = 1 << 20
"""Bytes read and scanned at once."""
FIRST_STEP_PIECE = 512
"""Bytes of a piece while the first step is still to come, so that few steps share one."""
KEPT_OF_ONE = 1_000
"""Findings of one signature that are kept of one log. Bounds what a hostile log costs; the first ones matter."""


LAST_WORDS = 16_384
"""Bytes at the end whose lines are kept."""
BEGUN_KEPT = 1_000

_RECORDS = re.compile(rb"[^\n\r\0]+")


@dataclass(slots=True)
class Found:
    """What a log holds. `suppressed`: findings that were too many to tell; `last`: its last lines, cleaned."""

    findings: list[LogFinding] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    progress: Progress | None = None
    first_step: int | None = None
    size: int = 0
    suppressed: int = 0
    last: tuple[str, ...] = ()
    output: str | None = None
    """The folder that the log names last as the one where checkpoints go."""
    marker: Marker | None = None
    """The framework that its words name."""


def read(rules: Rules, path: str, stream: BinaryIO, advanced: Callable[[int], None] = lambda _: None) -> Found:
    """Read a stream to its end; `advanced` is told after each piece how many bytes that makes. Raises OSError."""
    reader = _Reader(LogScanner(rules, path, path, Place(0, 0, b"")))
    held = stream.read(PIECE)
    while held:
        following = stream.read(PIECE)
        reader.feed(held, last=not following)
        advanced(reader.found.size)
        held = following
    return reader.finish()


class _Reader:
    """A scanner, and what it has noticed so far."""

    def __init__(self, scanner: LogScanner) -> None:
        self.found = Found()
        self._tail = b""
        self._scanner = scanner
        self._counts: Counter[str] = Counter()

    def feed(self, data: bytes, *, last: bool) -> None:
        """Take the next piece; the first and the last are cut into small ones."""
        if last:
            self._tail += data[-LAST_WORDS:]
        else:
            self._tail = data[-LAST_WORDS:]
        fine = last or not self.found.size
        for piece in self._pieces(data) if fine else (data,):
            self._take(self._scanner.feed(piece))
            self.found.size += len(piece)

    def finish(self) -> Found:
        """Tell what is unfinished: nothing more will come."""
        self._take(self._scanner.settle(blocks=True, over=True))
        self.found.progress = self._scanner.progress
        self.found.output = self._scanner.output
        self.found.marker = self._scanner.marker
        self.found.suppressed += self._scanner.suppressed
        records = _RECORDS.findall(self._tail[-LAST_WORDS:])
        self.found.last = tuple(text for text in (clean(record).text for record in records) if text)
        return self.found

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            size = KEPT if self.found.first_step is not None else FIRST_STEP_PIECE
            yield data[at : at + size]
            at += size

    def _take(self, noticed: list[Noticed]) -> None:
        for item in noticed:
            if isinstance(item.fact, TrainingSeen):
                self._first(item.fact.progress)
                if len(self.found.begun) < BEGUN_KEPT:
                    self.found.begun.append(Begun(item.fact.offset, item.fact.progress))
            else:
                self._keep(item.fact)
        self._first(self._scanner.progress)

    def _first(self, progress: Progress | None) -> None:
        if self.found.first_step is None and progress is not None:
            self.found.first_step = progress.step

    def _keep(self, finding: LogFinding) -> None:
        self._counts[finding.signature] += 1
        if self._counts[finding.signature] <= KEPT_OF_ONE:
            self.found.findings.append(finding)
        else:
            self.found.suppressed += 1
