"""A piece of a log cut into records, by byte offsets of the file.

A record is what stands between separators. A longer line than `max_line` is several records, counted from the line's
true beginning, so that the cuts do not depend on how the file happened to be read.
"""

from dataclasses import dataclass

from agent.sources.logs.engine import SEPARATORS, record_begin, record_end

OVERLAP = 512
"""Bytes of the record before that are shown with a later record of one long line: what is sought may be cut."""


@dataclass(frozen=True, slots=True)
class Span:
    """A record, from byte `begin` up to byte `end` of the file, in the line that begins at byte `line`."""

    begin: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `base` onward of a file. The line in which they begin began at byte `line`."""

    data: bytes
    base: int
    line: int
    max_line: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.base + len(self.data)

    def record_at(self, offset: int) -> Span | None:
        """The record in which a byte lies; None if that byte is a separator."""
        place = offset - self.base
        if self.data[place : place + 1] in SEPARATORS:
            return None
        begin = record_begin(self.data, place + 1)
        return self.record_from(offset, self.base + begin if begin else self.line)

    def after(self, span: Span) -> Span:
        """The record that follows; empty where two separators meet."""
        cut = span.end < self.end and self.data[span.end - self.base : span.end - self.base + 1] not in SEPARATORS
        begin = span.end if cut else span.end + 1
        return self.record_from(begin, span.line if cut else begin)

    def unfinished(self) -> Span:
        """The record at the end that may still grow; empty if the last byte is a separator."""
        begin = record_begin(self.data, len(self.data))
        line = self.base + begin if begin else self.line
        return Span(line + (self.end - line) // self.max_line * self.max_line, self.end, line)

    def shown(self, span: Span) -> bytes:
        """The bytes of a record, with the overlap where it continues a line."""
        return self.data[max(0, self.overlapping(span) - self.base) : span.end - self.base]

    def overlapping(self, span: Span) -> int:
        """Where the bytes that are shown for a record begin."""
        return max(span.line, span.begin - OVERLAP)

    def record_from(self, offset: int, line: int) -> Span:
        """The record of the line begun at `line` in which a byte lies; empty if that byte is a separator."""
        begin = line + max(0, offset - line) // self.max_line * self.max_line
        end = self.base + record_end(self.data, min(offset - self.base, len(self.data)), self.max_line)
        return Span(begin, min(end, begin + self.max_line), line)
