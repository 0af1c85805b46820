"""One log's bytes to findings and progress. Fed piece by piece; how the pieces are cut changes nothing.

Knows bytes and offsets, not files: `tailer` reads. Only the records that the engine points to are looked at one by one,
besides those of an open block, and the last few of each piece for progress.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from agent.core import runs
from agent.core.facts import LogFinding, Progress, TrainingSeen
from agent.core.lines import clean, plain, stamp
from agent.core.progress import find
from agent.core.runs import Run
from agent.sources.logs.chunk import Chunk, Span
from agent.sources.logs.engine import record_begin
from agent.sources.logs.recogniser import Meaning, Place, Recogniser, Record
from agent.sources.logs.rules import Rules

TAIL = 256
"""Bytes before an offset by which the content of a file is known again."""
PROGRESS_WITHIN = 4_096
"""Bytes at the end of a piece that are read for progress: the last bar is there, and all others are older."""
PROGRESS_BEFORE = 16_384
"""Bytes before a finding that are read for the progress that it happened at."""
STAMP_WITHIN = 8_192
"""Bytes before a finding within which a line's time is taken for its own, if it has none."""
FINDINGS_AT_MOST = 20
"""Findings of one signature in one piece; the others are counted. Thousands of lines may repeat one assertion."""

_RECORD = re.compile(rb"[^\n\r\0]+")
_MAYBE_STAMP = re.compile(rb"\d{4}-\d\d-\d\d[T _]\d\d:\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Noticed:
    """A fact with what makes it unique in its file."""

    key: tuple[str | int, ...]
    fact: LogFinding | TrainingSeen


class LogScanner:
    """The state of one log: what was read but is not complete, the run that it shows, the last progress."""

    def __init__(
        self, rules: Rules, path: str, file: str, place: Place, run: Run | None = None, progress: Progress | None = None
    ) -> None:
        self.path = path
        self.progress = progress
        self.run = run if run is not None else Run(place.offset)
        self.suppressed = 0
        """Findings that were too many to tell."""
        self._rules = rules
        self._file = file
        self._recogniser = Recogniser(rules)
        self._chunk = Chunk(b"", place.offset, place.line, rules.max_line)
        self._pending = self._chunk.unfinished()
        self._recent = place.tail
        self._progress_upto = place.offset
        self._settled_upto = place.offset
        self._settled: set[tuple[str | int, ...]] = set()
        self._stamp: tuple[int, int] | None = None
        """The last time that the log told, after the offset of its record."""
        self._noticed: list[Noticed] = []
        self._counts: Counter[str] = Counter()

    @property
    def offset(self) -> int:
        """The offset behind the last byte that was fed."""
        return self._chunk.end

    @property
    def tail(self) -> bytes:
        """The last bytes before `offset`, as many as are kept."""
        return self._before(self._chunk.end)

    @property
    def place(self) -> Place:
        """Where to take up reading so that nothing unfinished is lost."""
        return self._recogniser.place or Place(self._chunk.base, self._pending.line, self._recent)

    @property
    def unsettled(self) -> bool:
        """Whether something waits for more bytes, which may never come."""
        return self._recogniser.untold or self._pending.end > max(self._pending.begin, self._settled_upto)

    def feed(self, data: bytes) -> list[Noticed]:
        """Take the bytes that follow; returns what they tell, in the order of the file."""
        self._chunk = replace(self._chunk, data=self._chunk.data + data)
        pending = self._chunk.unfinished()
        if pending.begin != self._pending.begin:
            self._walk(self._candidates(self._pending.begin, pending.begin), pending.begin)
            self._settled.clear()
        self._read_progress(pending.begin, PROGRESS_WITHIN)
        self._pending = pending
        self._show(self._chunk.shown(pending), pending.begin, ended=False)
        self._drop(self._chunk.overlapping(pending))
        return self._taken()

    def settle(self, *, blocks: bool) -> list[Noticed]:
        """Look at an unfinished record as it stands; with `blocks`, also tell what waits for more lines."""
        span = self._pending
        if span.end > span.begin:
            patterns = self._candidates(span.begin, span.end).get(span.begin, frozenset())
            before = len(self._noticed)
            self._notice(self._recogniser.peek(self._record(span), patterns))
            self._settled.update(item.key for item in self._noticed[before:])
            self._show(self._chunk.shown(span), span.begin, ended=True)
        if blocks:
            self._notice(self._recogniser.tell())
        self._settled_upto = span.end
        return self._taken()

    def _taken(self) -> list[Noticed]:
        noticed, self._noticed = self._noticed, []
        self._counts.clear()
        return noticed

    def _drop(self, upto: int) -> None:
        """Forget the bytes before an offset, but for the tail."""
        self._stamp = self._last_stamp(upto)
        self._recent = self._before(upto)
        kept = self._chunk.data[upto - self._chunk.base :]
        self._chunk = Chunk(kept, upto, self._pending.line, self._rules.max_line)

    # Records.

    def _candidates(self, begin: int, end: int) -> Mapping[int, frozenset[int]]:
        """The patterns found in each record that begins within a range of offsets, by the record's offset."""
        found: dict[int, frozenset[int]] = {}
        for hit in self._rules.engine.find(self._chunk.data):
            span = self._chunk.record_at(self._chunk.base + hit.end - 1)
            if span is not None and begin <= span.begin < end:
                found[span.begin] = found.get(span.begin, frozenset()) | {hit.pattern}
        return found

    def _walk(self, candidates: Mapping[int, frozenset[int]], upto: int) -> None:
        """Look at the candidate records, and at every record while a block is open."""
        waiting = sorted(candidates, reverse=True)
        span = self._chunk.record_from(self._pending.begin, self._pending.line)
        while span.begin < upto:
            while waiting and waiting[-1] < span.begin:
                waiting.pop()
            if not self._recogniser.waits:
                if not waiting:
                    return
                span = self._chunk.record_at(waiting[-1]) or span
            if span.end > span.begin:
                self._notice(self._recogniser.look(self._record(span), candidates.get(span.begin, frozenset())))
            span = self._chunk.after(span)

    def _record(self, span: Span) -> Record:
        at = self._chunk.overlapping(span)
        return Record(span, clean(self._chunk.shown(span)), Place(at, span.line, self._before(at)))

    def _before(self, offset: int) -> bytes:
        """The bytes before an offset, as many as are kept."""
        end = offset - self._chunk.base
        return self._chunk.data[end - TAIL : end] if end >= TAIL else (self._recent + self._chunk.data[:end])[-TAIL:]

    def _notice(self, meanings: Iterable[Meaning]) -> None:
        for meaning in meanings:
            signature, offset = meaning.signature, meaning.record.span.begin
            self._counts[signature.id] += 1
            if self._counts[signature.id] > FINDINGS_AT_MOST:
                self.suppressed += 1
                continue
            key = (offset, signature.id) if meaning.whole else (offset, signature.id, "unfinished")
            if key not in self._settled:
                self._read_progress(offset, PROGRESS_BEFORE)
                self._noticed.append(Noticed(key, self._finding(meaning)))
                reading = meaning.reading
                self.run = runs.marked(self.run, reading.kind, reading.role, offset, self.progress)

    def _finding(self, meaning: Meaning) -> LogFinding:
        reading, record = meaning.reading, meaning.record
        rank = reading.facts.get("rank") if record.line.rank is None else record.line.rank
        return LogFinding(
            path=self.path,
            file=self._file,
            offset=record.span.begin,
            signature=meaning.signature.id,
            kind=reading.kind,
            role=reading.role,
            severity=reading.severity,
            text=meaning.text,
            rank=rank,
            facts=reading.facts,
            context=meaning.context,
            final=meaning.signature.final,
            written_at=self._written_at(record.span, str(reading.facts.get("time", ""))),
            progress=self.progress,
        )

    def _written_at(self, span: Span, told: str) -> int | None:
        """When a record was written: by a time that it tells, else by the closest one before it."""
        found = self._last_stamp(span.end)
        near = found is not None and span.begin - found[0] <= STAMP_WITHIN
        return stamp(told, self._rules.zone) or (found[1] if found is not None and near else None)

    def _last_stamp(self, upto: int) -> tuple[int, int] | None:
        """The last time told before an offset, after the offset of its record."""
        end = max(0, upto - self._chunk.base)
        begin = max(0, end - STAMP_WITHIN)
        for match in reversed(list(_MAYBE_STAMP.finditer(self._chunk.data, begin, end))):
            first = max(begin, record_begin(self._chunk.data, match.start()))
            time = stamp(plain(self._chunk.data[first : match.end() + 16]), self._rules.zone)
            if time is not None:
                return self._chunk.base + first, time
        return self._stamp

    # Progress.

    def _read_progress(self, upto: int, within: int) -> None:
        """Read the records that end before an offset, and are at most so many bytes back, for progress."""
        begin = max(self._progress_upto, upto - within)
        if begin >= upto:
            return
        data = self._chunk.data[begin - self._chunk.base : upto - self._chunk.base]
        skipped = begin > self._progress_upto
        for match in self._records(data, skipped=skipped):
            self._show(match[0], begin + match.start(), ended=True)
        self._progress_upto = upto

    def _records(self, data: bytes, *, skipped: bool) -> Iterator[re.Match[bytes]]:
        """The records in some bytes, but for the first if its beginning was skipped and another follows."""
        matches = _RECORD.finditer(data)
        if skipped and _RECORD.fullmatch(data) is None:
            next(matches, None)
        return matches

    def _show(self, record: bytes, offset: int, *, ended: bool) -> None:
        found = find(self._rules.progress, clean(record[-self._rules.max_line :]).text, ended=ended) if record else None
        if found is None:
            return
        self.run, self.progress, begun = runs.progressed(self.run, self.progress, found)
        if begun and self.progress is not None:
            key = ("training", self.run.anchor)
            self._noticed.append(Noticed(key, TrainingSeen(self.path, self._file, offset, self.progress)))
