"""Finds the few interesting places in a chunk of a log: all patterns at once, at the speed of memory.

Vectorscan does it (PyPI `hyperscan`); where it cannot be loaded, Python's `re` finds the same places more slowly. What
is found is only a candidate: the detailed rules of `core/signatures` decide.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.sources.logs import compiled

try:  # there are wheels for x86-64 and aarch64 only
    import hyperscan
except ImportError:
    hyperscan = None  # type: ignore[assignment]

CALLS_AT_MOST = 20_000
"""Matches looked at in one chunk; beyond them only the first further match of each pattern. Bounds a hostile log."""
STRIDE = 256
"""Bytes of a long record after which a pattern is looked for again."""
_PLAIN = 0 if hyperscan is None else hyperscan.HS_FLAG_MULTILINE
SEPARATORS = (b"\n", b"\r", b"\0")
"""What ends a record. Bars are redrawn with carriage returns; a truncated log may begin with thousands of NULs."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Pattern number `pattern` matches; its match ends before byte `end` of the chunk."""

    end: int
    pattern: int


class Engine(Protocol):
    """All patterns, compiled."""

    name: str

    @property
    def unscanned(self) -> Mapping[int, str]:
        """Patterns that cannot be searched for, with the reason: they are tried only on lines that others point to."""
        ...

    def find(self, data: bytes) -> list[Hit]:
        """Find which patterns match in which records: at least one hit for each, in order of their ends."""
        ...


def build(patterns: Sequence[str]) -> Engine:
    """Compile the patterns with the best engine there is."""
    return VectorscanEngine(patterns) if hyperscan is not None else RegexEngine(patterns)


def record_end(data: bytes, begin: int, within: int) -> int:
    """Where the record ends that byte `begin` lies in: at its separator, the end of the data, or `within` bytes on."""
    end = data.find(b"\n", begin, begin + within)
    end = min(len(data), begin + within) if end < 0 else end
    for separator in SEPARATORS[1:]:
        other = data.find(separator, begin, end)
        end = other if other >= 0 else end
    return end


def record_begin(data: bytes, end: int) -> int:
    """Where the record begins that byte `end - 1` lies in."""
    begin = data.rfind(b"\n", 0, end) + 1
    for separator in SEPARATORS[1:]:
        begin = max(begin, data.rfind(separator, begin, end) + 1)
    return begin


class VectorscanEngine:
    """One pass over the data for all patterns, however many."""

    name = "vectorscan"

    def __init__(self, patterns: Sequence[str]) -> None:
        self.unscanned: dict[int, str] = {}
        self._patterns = [(number, pattern.encode(), _PLAIN) for number, pattern in enumerate(patterns)]
        self._first: hyperscan.Database | None = None
        try:
            self._every = self._compile(0)
        except hyperscan.error:
            self._patterns = [admitted for each in self._patterns for admitted in self._admit(*each)]
            self._every = self._compile(0)

    def _admit(self, number: int, pattern: bytes, flags: int) -> Iterator[tuple[int, bytes, int]]:
        """Take a pattern as it is; one with look-around or back-references as the wider one that Vectorscan makes."""
        reason = ""
        for wider in (flags, flags | hyperscan.HS_FLAG_PREFILTER):
            try:
                compiled.compile_now([(number, pattern, wider)])
            except hyperscan.error as error:
                reason = reason or str(error)
            else:
                yield number, pattern, wider
                return
        self.unscanned[number] = reason

    def _compile(self, flags: int) -> "hyperscan.Database | None":
        wanted = [(number, pattern, own | flags) for number, pattern, own in self._patterns]
        return compiled.database(wanted) if wanted else None

    def find(self, data: bytes) -> list[Hit]:
        """Find which patterns match in which records."""
        if self._every is None or not data:
            return []
        sink = _Sink(data)
        if not _scan(self._every, data, sink.take):
            return sink.hits
        if self._first is None:
            self._first = self._compile(hyperscan.HS_FLAG_SINGLEMATCH)
        rest = sink.hits[-1].end if sink.hits else 0
        last = _Sink(data, rest)
        assert self._first is not None
        _scan(self._first, data[rest:], last.take)
        return [*sink.hits, *last.hits]


class _Sink:
    """Collects matches, one for each pattern and record; Vectorscan may report a match at every byte."""

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.hits: list[Hit] = []
        self._data = data
        self._base = base
        self._calls = 0
        self._done: dict[int, int] = {}

    def take(self, number: int, _begin: int, end: int, _flags: int, _context: object) -> bool:
        """Note a match; True stops the scan."""
        self._calls += 1
        end += self._base
        if end > self._done.get(number, 0):
            self._done[number] = record_end(self._data, end, STRIDE)
            self.hits.append(Hit(end, number))
        return self._calls >= CALLS_AT_MOST


def _scan(database: "hyperscan.Database", data: bytes, take: Callable[[int, int, int, int, object], bool]) -> bool:
    """Scan; True if it was stopped before the end."""
    try:
        database.scan(data, match_event_handler=take)
    except hyperscan.ScanTerminated:
        return True
    return False


class RegexEngine:
    """One pass for each pattern."""

    name = "re"

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns: list[tuple[int, re.Pattern[bytes]]] = []
        self.unscanned: dict[int, str] = {}
        for number, pattern in enumerate(patterns):
            try:
                self._patterns.append((number, re.compile(pattern.encode(), re.MULTILINE)))
            except re.error as error:
                self.unscanned[number] = str(error)

    def find(self, data: bytes) -> list[Hit]:
        """Find which patterns match in which records."""
        hits = [Hit(end, number) for number, pattern in self._patterns for end in _ends(pattern, data)]
        return sorted(hits, key=lambda hit: hit.end)


def _ends(pattern: re.Pattern[bytes], data: bytes) -> list[int]:
    """The end of the first match in each record, as many as are looked at."""
    ends: list[int] = []
    match = pattern.search(data)
    while match is not None and len(ends) < CALLS_AT_MOST:
        ends.append(match.end())
        match = pattern.search(data, record_end(data, match.end(), STRIDE))
    return ends
