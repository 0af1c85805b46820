"""What the records of one log mean: single lines, and blocks of lines that are put together for each writer.

Sees only the records that it is shown; knows neither bytes nor progress.
"""

from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass

from agent.core.blocks import BLOCKS, Block, Step
from agent.core.facts import Role
from agent.core.lines import Line
from agent.core.signatures import Reading, Signature, excerpt, read, recognise
from agent.sources.logs.chunk import Span
from agent.sources.logs.rules import Rules


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading can be taken up again: an offset, where its line begins, and the bytes before it."""

    offset: int
    line: int
    tail: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its cleaned line, and where to take up reading so that it is read again."""

    span: Span
    line: Line
    place: Place


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a record, or the block that it begins or ends, was recognised as."""

    signature: Signature
    record: Record
    text: str
    reading: Reading
    context: tuple[str, ...] = ()


@dataclass(slots=True)
class _Open:
    """A block that waits for more lines. `context` comes from a traceback whose last line began the block."""

    block: Block
    signature: Signature
    record: Record
    context: tuple[str, ...] = ()


class Recogniser:
    """The open blocks of one log, by the writer's prefix: eight ranks may print tracebacks at once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._exceptions = rules.exceptions
        self._open: dict[str, _Open] = {}

    @property
    def waits(self) -> bool:
        """Whether a block is open, so that every record must be shown."""
        return bool(self._open)

    @property
    def place(self) -> Place | None:
        """Where the earliest open block begins."""
        places = (item.record.place for item in self._open.values())
        return min(places, key=lambda place: place.offset, default=None)

    def look(self, record: Record, patterns: Collection[int]) -> Iterator[Meaning]:
        """Look at the next record. `patterns`: numbers of the signatures whose pattern was found in it."""
        item = self._open.get(record.line.source)
        step = item.block.take(record.line.text) if item is not None else Step.FOREIGN
        if item is not None and step is Step.ENDED:
            yield from self._end(item, record)
        elif step is Step.CUT:
            yield from self._cut(record.line.source)
        if step in (Step.FOREIGN, Step.CUT):
            yield from self._line(record, patterns)

    def peek(self, record: Record, patterns: Collection[int]) -> Iterator[Meaning]:
        """Look at a record that may still grow: it may end a block, but is not used up by one."""
        item = self._open.get(record.line.source)
        if item is None:
            yield from self._line(record, patterns)
            return
        trial = _Open(deepcopy(item.block), item.signature, item.record, item.context)
        if trial.block.take(record.line.text) is Step.ENDED:
            yield from self._end(trial, record)

    def cut(self) -> Iterator[Meaning]:
        """End every open block as it stands."""
        for source in list(self._open):
            yield from self._cut(source)

    def _line(self, record: Record, patterns: Collection[int]) -> Iterator[Meaning]:
        if not patterns:
            return
        numbers = sorted({*patterns, *self._rules.engine.unscanned})
        found = recognise((self._rules.signatures[number] for number in numbers), record.line.text)
        if found is None or found[0].ignore:
            return
        signature, match = found
        if signature.block is not None:
            self._begin(signature, record)
            return
        text = excerpt(record.line.text, match.end())
        yield Meaning(signature, record, text, read(signature, record.line.text))

    def _begin(self, signature: Signature, record: Record, context: tuple[str, ...] = ()) -> None:
        block = BLOCKS[signature.block or ""](record.line.text)
        self._open[record.line.source] = _Open(block, signature, record, context)

    def _end(self, item: _Open, record: Record) -> Iterator[Meaning]:
        """Tell a block that `record` completed; a traceback's last line may mean something of its own."""
        self._open.pop(record.line.source, None)
        told = item.block.told()
        if item.signature.block != "traceback":
            yield self._told(item, item.record)
            return
        found = recognise(self._exceptions, told.text) if item.signature.role is Role.ROOT else None
        if found is None:
            yield self._told(item, record)
        elif found[0].block is not None:
            self._begin(found[0], record, told.context)
        elif not found[0].ignore:
            yield Meaning(found[0], record, excerpt(told.text), read(found[0], told.text, told.facts), told.context)

    def _cut(self, source: str) -> Iterator[Meaning]:
        item = self._open.pop(source)
        told = item.block.told()
        if told.context or item.signature.block != "traceback":
            yield self._told(item, item.record)

    def _told(self, item: _Open, record: Record) -> Meaning:
        told = item.block.told()
        reading = read(item.signature, told.text, told.facts)
        return Meaning(item.signature, record, excerpt(told.text), reading, item.context or told.context)
