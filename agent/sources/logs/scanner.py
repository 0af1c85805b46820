"""One log's bytes to findings and progress. Fed piece by piece; how the pieces are cut changes nothing.

Knows bytes and offsets, not files: `tailer` reads. Only the records that the engine points to are looked at one by one,
besides those of an open block, and the last few of each piece for progress.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agent.core import runs
from agent.core.facts import Activity, LogFinding, Progress, TrainingSeen
from agent.core.lines import clean, stamp
from agent.core.patterns import Found, Marker
from agent.core.runs import Awaited, Run
from agent.sources.logs.buffer import KEPT, Buffer
from agent.sources.logs.chunk import Span
from agent.sources.logs.engine import SEPARATORS
from agent.sources.logs.newest import Reader, Stretch
from agent.sources.logs.recogniser import Meaning, Place, Recogniser, Record
from agent.sources.logs.rules import Rules

PROGRESS_WITHIN = KEPT
"""Bytes at the end of a piece that are read for progress: the last bar is there, and all others are older."""
PROGRESS_BEFORE = 16_384
"""Bytes before a finding that are read for the progress that it happened at."""
FINDINGS_AT_MOST = 20
"""Findings of one signature in one piece; the others are counted. Thousands of lines may repeat one assertion."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """A fact with what makes it unique in its file."""

    key: tuple[str | int, ...]
    fact: LogFinding | TrainingSeen


class LogScanner:
    """The state of one log: what was read but is not complete, the run that it shows, the last progress."""

    def __init__(
        self, rules: Rules, path: str, file: str, place: Place, run: Run | None = None,
        progress: Progress | None = None, activity: Activity | None = None, output: str | None = None,
    ) -> None:
        self.path = path
        self.progress = progress
        self.activity = activity
        """What the newest telling record says that the program does."""
        self.told = 0
        """How often a record has told of an activity."""
        self.output = output
        """The folder that the log names last as the one where checkpoints go."""
        self.run = run if run is not None else Run(place.offset)
        self.suppressed = 0
        """Findings that were too many to tell."""
        self._rules = rules
        self._file = file
        self._marker = rules.progress.table.over(progress.framework) if progress is not None else None
        self._recogniser = Recogniser(rules)
        self._buffer = Buffer(place, rules.max_line, rules.zone)
        self._progress_upto = place.offset
        self._settled_upto = place.offset
        self._settled: set[tuple[str | int, ...]] = set()
        self._noticed: list[Noticed] = []
        self._counts: Counter[str] = Counter()

    @property
    def offset(self) -> int:
        """The offset behind the last byte that was fed."""
        return self._buffer.chunk.end

    @property
    def tail(self) -> bytes:
        """The last bytes before `offset`, as many as are kept."""
        return self._buffer.before(self.offset)

    @property
    def place(self) -> Place:
        """Where to take up reading so that nothing unfinished is lost."""
        return self._recogniser.place or self._buffer.place

    @property
    def marker(self) -> Marker | None:
        """The framework that the log's words name, whatever prints the numbers."""
        return self._marker

    @property
    def within_run(self) -> bool:
        """Whether a run is under way, so that no single record matters for progress."""
        return self.run.awaited is Awaited.NOTHING

    @property
    def unsettled(self) -> bool:
        """Whether something waits for more bytes, which may never come, or was not read for progress."""
        pending = self._buffer.pending
        untold = self._recogniser.untold or pending.end > max(pending.begin, self._settled_upto)
        return untold or self._progress_upto < pending.begin

    @property
    def complete(self) -> bool:
        """Whether a checkpoint keeps all that is known: nothing waits for more, and no framework for its numbers."""
        shown = self.progress.framework if self.progress is not None else None
        named = self._marker is None or self._marker.framework == shown
        return named and not self._recogniser.waits and self._buffer.place.offset == self.offset

    def feed(self, data: bytes, *, show: bool = True) -> list[Noticed]:
        """Take the bytes that follow; returns what they tell, in the order of the file.

        Without `show` progress is read only where a finding needs it; a later call makes up for that.
        """
        was, pending = self._buffer.add(data), self._buffer.pending
        if pending.begin != was.begin:
            candidates = self._candidates(was.begin, pending.begin)
            if candidates or self._recogniser.waits:
                self._walk(was, candidates)
            self._settled.clear()
        if show:
            self._show(self._with_pending(self._unread(pending.begin, PROGRESS_WITHIN), ended=False))
        self._buffer.drop(self._progress_upto)
        return self._taken()

    def settle(self, *, blocks: bool, over: bool = False) -> list[Noticed]:
        """Look at an unfinished record as it stands; with `blocks`, also tell what waits for more lines.

        `over`: no more bytes will come, so what is unfinished is all there is.
        """
        span = self._buffer.pending
        self._show(self._with_pending(self._unread(span.begin, PROGRESS_WITHIN), ended=True))
        if span.end > span.begin:
            patterns = self._candidates(span.begin, span.end).get(span.begin, frozenset())
            before = len(self._noticed)
            self._notice(self._recogniser.peek(self._record(span), patterns, over=over))
            self._settled.update(item.key for item in self._noticed[before:])
        if blocks:
            self._notice(self._recogniser.tell())
        self._settled_upto = span.end
        return self._taken()

    def _taken(self) -> list[Noticed]:
        noticed, self._noticed = self._noticed, []
        self._counts.clear()
        return noticed

    # Findings.

    def _candidates(self, begin: int, end: int) -> Mapping[int, frozenset[int]]:
        """The patterns found in each record that begins within a range of offsets, by the record's offset."""
        chunk = self._buffer.chunk
        found: dict[int, frozenset[int]] = {}
        for hit in self._rules.engine.find(chunk.data):
            span = chunk.record_at(chunk.base + hit.end - 1)
            if span is not None and begin <= span.begin < end:
                found[span.begin] = found.get(span.begin, frozenset()) | {hit.pattern}
        return found

    def _walk(self, first: Span, candidates: Mapping[int, frozenset[int]]) -> None:
        """Look at the candidate records, and at every record while a block is open, up to the pending one."""
        chunk, upto = self._buffer.chunk, self._buffer.pending.begin
        waiting = sorted(candidates, reverse=True)
        span = chunk.record_from(first.begin, first.line)
        while span.begin < upto:
            while waiting and waiting[-1] < span.begin:
                waiting.pop()
            if not self._recogniser.waits:
                if not waiting:
                    return
                span = chunk.record_at(waiting[-1]) or span
            if span.end > span.begin:
                self._notice(self._recogniser.look(self._record(span), candidates.get(span.begin, frozenset())))
            span = chunk.after(span)

    def _record(self, span: Span) -> Record:
        chunk = self._buffer.chunk
        at = chunk.overlapping(span)
        return Record(span, clean(chunk.shown(span)), Place(at, span.line, self._buffer.before(at)))

    def _notice(self, meanings: Iterable[Meaning]) -> None:
        for meaning in meanings:
            signature, span = meaning.signature, meaning.record.span
            self._counts[signature.id] += 1
            if self._counts[signature.id] > FINDINGS_AT_MOST:
                self.suppressed += 1
                continue
            # A block that is read again from within begins with another line, and so with another signature.
            name = signature.block or signature.id
            key = (span.begin, name) if meaning.whole else (span.begin, name, "unfinished")
            if key not in self._settled:
                # A bar may stand before the error on its own line.
                self._show(self._unread(min(span.end, self._buffer.pending.begin), PROGRESS_BEFORE))
                self._noticed.append(Noticed(key, self._finding(meaning)))
                reading = meaning.reading
                self.run = runs.marked(self.run, reading.kind, reading.role, span.begin, self.progress)

    def _finding(self, meaning: Meaning) -> LogFinding:
        reading, record = meaning.reading, meaning.record
        told = stamp(str(reading.facts.get("time", "")), self._rules.zone)
        return LogFinding(
            path=self.path,
            file=self._file,
            offset=record.span.begin,
            signature=meaning.signature.id,
            kind=reading.kind,
            role=reading.role,
            severity=reading.severity,
            text=meaning.text,
            rank=reading.facts.get("rank") if record.line.rank is None else record.line.rank,
            facts=reading.facts,
            context=meaning.context,
            final=meaning.signature.final,
            doubt=reading.doubt,
            written_at=told if told is not None else self._buffer.written_at(record.span),
            progress=self.progress,
        )

    # Progress.

    def _unread(self, upto: int, within: int) -> Stretch:
        """The bytes before an offset that were not read for progress yet, at most so many of them."""
        begin = max(self._progress_upto, upto - within)
        if begin >= upto:
            return Stretch(upto, b"")
        data = self._buffer.before(upto, upto - begin)
        base = upto - len(data)
        cut = base > self._progress_upto and not data.startswith(SEPARATORS)
        self._progress_upto = upto
        return Stretch(base, data, cut)

    def _with_pending(self, stretch: Stretch, *, ended: bool) -> Stretch:
        """Add the record that may still grow, to be read as one that has ended or that may be cut within a number."""
        span = self._buffer.pending
        if span.end == span.begin:
            return stretch
        return replace(stretch, pending=(span.begin, self._buffer.chunk.shown(span)), ended=ended)

    def _show(self, stretch: Stretch) -> None:
        """Take in what records show. Within a run only the newest numbers count, as long as one counter shows them."""
        table = self._rules.progress.narrow(stretch.data + (stretch.pending or (0, b""))[1])
        reader = Reader(table, stretch, self._rules.max_line)
        self._mark(reader.marker())
        self.output = reader.output() or self.output
        shown = reader.newest(self._is_beside) if self.within_run else []
        if not self.within_run or any(self._is_another(found) for _, found in shown):
            shown = reader.every()
        for offset, found in shown:
            self._take(offset, found)

    def _take(self, offset: int, found: Found) -> None:
        self._act(found)
        if not found.trains:
            return
        self.run, self.progress, begun = runs.progressed(self.run, self.progress, found, offset)
        self._mark(None)
        if begun and self.progress is not None:
            key = ("training", self.run.anchor)
            self._noticed.append(Noticed(key, TrainingSeen(self.path, self._file, offset, self.progress)))

    def _act(self, found: Found) -> None:
        """Note what the program does. A bar that is only drawn again says nothing of a save or an evaluation."""
        if found.activity is None:
            return
        beside = self._is_beside(found.progress)
        silent = self.activity in (Activity.SAVING, Activity.EVALUATING)
        if silent and not beside and found.trains and self._is_drawn_again(found.progress):
            return
        self.activity = Activity.EVALUATING if beside else found.activity
        self.told += 1

    def _mark(self, marker: Marker | None) -> None:
        """Note a framework by its texts, and name it where the numbers name none, or one that it is built on."""
        if marker is not None and (self._marker is None or (marker.over and not self._marker.over)):
            self._marker = marker
        known = self._marker
        if known is not None and self.progress is not None and (known.over or self.progress.framework is None):
            self.progress = replace(self.progress, framework=known.framework)

    def _is_beside(self, progress: Progress) -> bool:
        return runs.is_beside(self.run, self.progress, progress)

    def _is_another(self, found: Found) -> bool:
        """Whether a record counts something else than what is shown, so that the order of records matters."""
        shown, new = self.progress, found.progress
        return shown is not None and new.step is not None and shown.step is not None and new.total != shown.total

    def _is_drawn_again(self, progress: Progress) -> bool:
        shown = self.progress
        return shown is not None and progress.step is not None and (progress.step, progress.total) == (
            shown.step, shown.total
        )  # fmt: skip
