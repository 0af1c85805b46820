"""The bytes of a log that are still needed: what is unfinished, and a little of what came before it.

Bounded whatever the log holds: a record, its overlap, and at most `KEPT` bytes before them.
"""

import re
from datetime import tzinfo

from agent.core.lines import plain, stamp
from agent.sources.logs.chunk import Chunk, Span
from agent.sources.logs.engine import record_begin
from agent.sources.logs.recogniser import Place

TAIL = 256
"""Bytes before an offset by which the content of a file is known again."""
KEPT = 4_096
"""Bytes before the unfinished record that are kept where someone still wants to read them."""
STAMP_WITHIN = 8_192
"""Bytes before a record within which a line's time is taken for its own, if it has none."""

_MAYBE_STAMP = re.compile(rb"\d{4}-\d\d-\d\d[T _]\d\d:\d\d:\d\d")
_AFTER_SECONDS = 16
"""Bytes that a fraction and an offset may take."""


class Buffer:
    """The end of what was read of a log. `pending` is the record that may still grow."""

    def __init__(self, place: Place, max_line: int, zone: tzinfo | None) -> None:
        self.chunk = Chunk(b"", place.offset, place.line, max_line)
        self.pending = self.chunk.unfinished()
        self._recent = place.tail
        self._zone = zone
        self._stamp: tuple[int, int] | None = None

    @property
    def place(self) -> Place:
        """Where to take up reading so that the unfinished record is read again."""
        return Place(self.chunk.base, self.pending.line, self.before(self.chunk.base))

    def add(self, data: bytes) -> Span:
        """Take the bytes that follow; returns the record that was pending before."""
        was, chunk = self.pending, self.chunk
        self.chunk = Chunk(chunk.data + data, chunk.base, chunk.line, chunk.max_line)
        self.pending = self.chunk.unfinished()
        return was

    def drop(self, wanted: int) -> None:
        """Forget what is finished, but for the tail and the bytes from offset `wanted` on, as many as may be kept."""
        upto = self.chunk.overlapping(self.pending)
        if upto == self.chunk.base:
            return
        self._stamp = self.last_stamp(upto)
        recent = self.before(upto, min(max(TAIL, upto - wanted), KEPT))
        kept = self.chunk.data[upto - self.chunk.base :]
        self.chunk = Chunk(kept, upto, self.pending.line, self.chunk.max_line)
        self._recent = recent

    def before(self, offset: int, count: int = TAIL) -> bytes:
        """The bytes before an offset, as many of `count` as are kept."""
        end = offset - self.chunk.base
        return self.chunk.data[end - count : end] if end >= count else (self._recent + self.chunk.data[:end])[-count:]

    def written_at(self, span: Span) -> int | None:
        """When a record was written, UTC milliseconds: by its own time, else by the closest one before it."""
        found = self.last_stamp(span.end)
        return found[1] if found is not None and span.begin - found[0] <= STAMP_WITHIN else None

    def last_stamp(self, upto: int) -> tuple[int, int] | None:
        """The last time told before an offset, after the offset of its record."""
        end = max(0, upto - self.chunk.base)
        begin = max(0, end - STAMP_WITHIN)
        if b"-" not in self.chunk.data:
            return self._stamp
        for match in reversed(list(_MAYBE_STAMP.finditer(self.chunk.data, begin, end))):
            first = max(begin, record_begin(self.chunk.data, match.start()))
            time = stamp(plain(self.chunk.data[first : match.end() + _AFTER_SECONDS]), self._zone)
            if time is not None:
                return self.chunk.base + first, time
        return self._stamp
