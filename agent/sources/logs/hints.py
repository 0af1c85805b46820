"""Which patterns for progress some bytes may mean anything to: one pass that costs next to nothing.

Vectorscan looks for all hints at once; where it cannot be loaded, they are looked for one by one.
"""

import re
from functools import lru_cache
from typing import Protocol

from agent.core.patterns import Table
from agent.sources.logs import compiled

try:  # there are wheels for x86-64 and aarch64 only
    import hyperscan
except ImportError:
    hyperscan = None  # type: ignore[assignment]

NARROWED_KEPT = 256
"""Tables that are kept for the sets of hints seen last; a log shows few of them again and again."""


class Finder(Protocol):
    """All hints and patterns of bytes of a table, compiled."""

    def within(self, data: bytes) -> frozenset[str]:
        """Find which of them occur, whatever their case."""
        ...


class Hints:
    """A table of patterns with what it is narrowed by."""

    def __init__(self, table: Table, finder: Finder | None = None) -> None:
        self.table = table
        kind = VectorscanFinder if hyperscan is not None else PlainFinder
        self._finder = finder if finder is not None else kind(table)
        self._narrowed = lru_cache(NARROWED_KEPT)(table.within)

    def narrow(self, data: bytes) -> Table:
        """What is left of the table for some bytes."""
        return self._narrowed(self._finder.within(data))


class VectorscanFinder:
    """One pass for all; each is told once."""

    def __init__(self, table: Table) -> None:
        hints, nears = sorted(table.hints), sorted(table.nears)  # the same at each start, to be found on disk
        self._known = (*hints, *nears)
        expressions = [*map(_literal, hints), *(near.encode() for near in nears)]
        flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
        self._database = compiled.database([(number, sought, flags) for number, sought in enumerate(expressions)])

    def within(self, data: bytes) -> frozenset[str]:
        """Find which of them occur, whatever their case."""
        found: list[str] = []
        self._database.scan(data, match_event_handler=lambda number, *_: found.append(self._known[number]))
        return frozenset(found)


class PlainFinder:
    """One pass for each."""

    def __init__(self, table: Table) -> None:
        self._hints = [(hint, hint.encode()) for hint in table.hints]
        self._nears = [(near, re.compile(near.encode(), re.IGNORECASE)) for near in table.nears]

    def within(self, data: bytes) -> frozenset[str]:
        """Find which of them occur, whatever their case."""
        lower = data.lower()
        hints = {hint for hint, text in self._hints if text in lower}
        return frozenset(hints.union(near for near, pattern in self._nears if pattern.search(data)))


def _literal(hint: str) -> bytes:
    r"""Every byte by its number, as `\x41`: no character means anything else."""
    return b"".join(b"\\x%02x" % byte for byte in hint.encode())
