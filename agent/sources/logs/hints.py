"""Which patterns for progress some bytes may mean anything to: one pass that costs next to nothing.

Vectorscan looks for all hints at once; where it cannot be loaded, they are looked for one by one.
"""

from functools import lru_cache
from typing import Protocol

from agent.core.patterns import Table

try:  # there are wheels for x86-64 and aarch64 only
    import hyperscan
except ImportError:
    hyperscan = None  # type: ignore[assignment]

NARROWED_KEPT = 256
"""Tables that are kept for the sets of hints seen last; a log shows few of them again and again."""


class Finder(Protocol):
    """All hints, compiled."""

    def within(self, data: bytes) -> frozenset[str]:
        """Find which hints occur, whatever their case."""
        ...


class Hints:
    """A table of patterns with the texts by which it is narrowed."""

    def __init__(self, table: Table, finder: Finder | None = None) -> None:
        self.table = table
        known = tuple(sorted(table.hints))
        self._finder = finder or (VectorscanFinder(known) if hyperscan is not None else PlainFinder(known))
        self._narrowed = lru_cache(NARROWED_KEPT)(table.within)

    def narrow(self, data: bytes) -> Table:
        """What is left of the table for some bytes."""
        return self._narrowed(self._finder.within(data))


class VectorscanFinder:
    """One pass for all; each is told once."""

    def __init__(self, hints: tuple[str, ...]) -> None:
        self._hints = hints
        flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[_literal(hint) for hint in hints], ids=list(range(len(hints))), flags=[flags] * len(hints)
        )

    def within(self, data: bytes) -> frozenset[str]:
        """Find which hints occur, whatever their case."""
        found: list[str] = []
        self._database.scan(data, match_event_handler=lambda number, *_: found.append(self._hints[number]))
        return frozenset(found)


class PlainFinder:
    """One pass for each."""

    def __init__(self, hints: tuple[str, ...]) -> None:
        self._hints = [(hint, hint.encode()) for hint in hints]

    def within(self, data: bytes) -> frozenset[str]:
        """Find which hints occur, whatever their case."""
        lower = data.lower()
        return frozenset(hint for hint, text in self._hints if text in lower)


def _literal(hint: str) -> bytes:
    r"""Every byte by its number, as `\x41`: no character means anything else."""
    return b"".join(b"\\x%02x" % byte for byte in hint.encode())
