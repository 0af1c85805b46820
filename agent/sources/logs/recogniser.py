"""What the records of one log mean: single lines, and blocks of lines that are put together for each writer.

Sees only the records that it is shown; knows neither bytes nor progress.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain

from agent.core.block import Block, Step
from agent.core.blocks import BLOCKS, WATCHING
from agent.core.facts import Role
from agent.core.lines import Line, unfolded
from agent.core.signatures import Reading, Signature, excerpt, read, recognise
from agent.sources.logs.chunk import Span
from agent.sources.logs.rules import Rules

_NAMED = re.compile(r":|Interrupt$")
"""What a line shows in which the name of an exception is whole, and what it means is certain."""


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
    """What a record, or the block that it begins or ends, was recognised as. `whole`: the block is complete."""

    signature: Signature
    record: Record
    text: str
    reading: Reading
    context: tuple[str, ...] = ()
    whole: bool = True


@dataclass(slots=True)
class _Open:
    """A block that waits for more lines. `context` comes from a traceback whose last line began the block.

    `told`: whether it was told as far as it had come, and has not grown since.
    """

    block: Block
    signature: Signature
    record: Record
    context: tuple[str, ...] = ()
    told: bool = False


class Recogniser:
    """The open blocks of one log, by the writer's prefix: eight ranks may print tracebacks at once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._open: dict[str, _Open] = {}
        self._watching: dict[str, _Open] = {}
        """Blocks that watch the lines without taking them."""

    @property
    def waits(self) -> bool:
        """Whether a block is open, so that every record must be shown."""
        return bool(self._open or self._watching)

    @property
    def untold(self) -> bool:
        """Whether a block is open that was not told as it stands."""
        return not all(item.told for item in self._items())

    @property
    def place(self) -> Place | None:
        """Where the earliest open block begins. One that was told and only goes on watching may be forgotten."""
        watching = (item for item in self._watching.values() if not item.told)
        places = (item.record.place for item in chain(self._open.values(), watching))
        return min(places, key=lambda place: place.offset, default=None)

    def look(self, record: Record, patterns: Collection[int]) -> Iterator[Meaning]:
        """Look at the next record. `patterns`: numbers of the signatures whose pattern was found in it."""
        for text in unfolded(record.line.text):
            yield from self._look(replace(record, line=replace(record.line, text=text)), patterns)

    def _look(self, record: Record, patterns: Collection[int]) -> Iterator[Meaning]:
        source = record.line.source
        watching = self._watching.get(source)
        if watching is not None:
            yield from self._watch(watching, record)
        item = self._open.get(source)
        step = Step.FOREIGN
        if item is not None:
            step = item.block.take(record.line.text)
            item.told &= step is Step.FOREIGN
        if item is not None and step is Step.ENDED:
            yield from self._end(item, record)
        elif item is not None and step is Step.CUT:
            del self._open[source]
            yield from self._unended(item)
        if step in (Step.FOREIGN, Step.CUT):
            yield from self._line(record, patterns, watch=watching is None)

    def peek(self, record: Record, patterns: Collection[int], *, over: bool) -> Iterator[Meaning]:
        """Look at a record that may still grow, unless all is `over`: it may end a block, but is not used up by one."""
        if over and len(unfolded(record.line.text)) > 1:
            yield from self.look(record, patterns)
            return
        watching, item = self._watching.get(record.line.source), self._open.get(record.line.source)
        if watching is not None:
            yield from self._try(watching, record, over=over)
        if item is not None:
            yield from self._try(item, record, over=over)
        else:
            yield from self._line(record, patterns, watch=False)

    def tell(self) -> Iterator[Meaning]:
        """Tell every open block as it stands. It stays open: a program may only have paused."""
        for item in self._items():
            if not item.told:
                item.told = True
                yield from self._unended(item)

    def _items(self) -> Iterator[_Open]:
        return chain(self._open.values(), self._watching.values())

    def _watch(self, item: _Open, record: Record) -> Iterator[Meaning]:
        """Show a record to a block that watches; one that is told goes on watching until it is cut."""
        step = item.block.take(record.line.text)
        told = item.told
        if step is Step.CUT:
            del self._watching[record.line.source]
            if not told or item.block.told().facts.get("recovered"):
                yield self._told(item, record if told else item.record)
        elif step is Step.ENDED:
            item.told = True
            yield self._told(item, record)

    def _try(self, item: _Open, record: Record, *, over: bool) -> Iterator[Meaning]:
        """What a record would tell if it ended a block, which stays as it is.

        A program may pause in the middle of a line, so the last line of a traceback must show more than the name of an
        exception: what follows may turn a RuntimeError into a lack of memory.
        """
        if item.signature.block == "traceback" and not over and not _NAMED.search(record.line.text):
            return
        trial = replace(item, block=deepcopy(item.block))
        if trial.block.take(record.line.text) is Step.ENDED:
            item.told |= item.signature.block not in WATCHING
            yield from self._end(trial, record, keep=True)

    def _line(self, record: Record, patterns: Collection[int], *, watch: bool) -> Iterator[Meaning]:
        if not patterns:
            return
        numbers = sorted({*patterns, *self._rules.engine.unscanned})
        known = [self._rules.signatures[number] for number in numbers]
        if watch:
            self._begin_watching(record, [signature for signature in known if signature.block in WATCHING])
        found = recognise((item for item in known if item.block not in WATCHING), record.line.text)
        if found is None or found[0].ignore:
            return
        signature, match = found
        if signature.block is not None:
            self._open[record.line.source] = self._begun(signature, record)
        else:
            text = excerpt(record.line.text, match.end())
            yield Meaning(signature, record, text, read(signature, record.line.text))

    def _begin_watching(self, record: Record, signatures: Iterable[Signature]) -> None:
        """Begin to watch from a line that may mean something else besides."""
        found = recognise(signatures, record.line.text)
        if found is not None:
            self._watching[record.line.source] = self._begun(found[0], record)

    def _begun(self, signature: Signature, record: Record, context: tuple[str, ...] = ()) -> _Open:
        return _Open(BLOCKS[signature.block or ""](record.line.text), signature, record, context)

    def _end(self, item: _Open, record: Record, *, keep: bool = False) -> Iterator[Meaning]:
        """Tell a block that `record` completed; a traceback's last line may mean something of its own."""
        if not keep:
            self._open.pop(record.line.source, None)
        if item.signature.block != "traceback":
            yield self._told(item, record if item.signature.block in WATCHING else item.record)
            return
        told = item.block.told()
        found = recognise(self._rules.exceptions, told.text) if item.signature.role is Role.ROOT else None
        if found is None:
            yield self._told(item, record)
        elif found[0].block is not None:
            if not keep:
                self._open[record.line.source] = self._begun(found[0], record, told.context)
        elif not found[0].ignore:
            yield Meaning(found[0], record, excerpt(told.text), read(found[0], told.text, told.facts), told.context)

    def _unended(self, item: _Open) -> Iterator[Meaning]:
        """Tell a block that is not complete; a traceback's header alone may be part of a text about one."""
        if item.context or item.block.told().context or item.signature.block != "traceback":
            yield self._told(item, item.record, whole=False)

    def _told(self, item: _Open, record: Record, *, whole: bool = True) -> Meaning:
        told = item.block.told()
        reading = read(item.signature, told.text, told.facts)
        return Meaning(item.signature, record, excerpt(told.text), reading, item.context or told.context, whole)
