"""What progress looks like: one pattern for each way to print it, and a table of them that reads lines.

Knows no framework: those are in `progress.toml`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

from agent.core.facts import Activity, Progress
from agent.core.training_loss import training_loss

_BEFORE = 160
"""Characters before a match that may tell what a bar is about."""
_LOSS_BEFORE = 400
"""Characters before a bar's counters in which its loss is looked for: what is drawn takes a terminal's width."""
PIECES_AT_MOST = 8
"""Bars glued together in one line that are read, the newest first."""

NOTHING = Progress()
"""What a line shows that tells of something else than training."""

_CLOSED_BAR = re.compile(
    r"(?:\d/ ?[\d?]{1,15} \[\d[^\[\]<]{0,40}<|\dit \[\d[\d:]{1,15}, |%\|[^\[\]]{0,200} \[\d[\d:]{1,15}<)"
    r"[^\[\]]{1,1000}\]"
)
"""A bar up to the bracket that closes it: what follows is another line, whose beginning was lost to the bar."""
_EPOCH = re.compile(r"\bepochs?[\s:=#\[(]{0,4}(\d{1,9})\b", re.IGNORECASE)


@cache
def regex(pattern: str) -> re.Pattern[str]:
    """Compile a regular expression once. Raises re.error."""
    return re.compile(pattern)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to print progress; the fields are the keys of `progress.toml`.

    Its regular expressions are compiled when they are needed first: a log shows few of the frameworks.
    """

    id: str
    pattern: str
    hints: tuple[str, ...] = ()
    framework: str | None = None
    unless: str | None = None
    needs: str | None = None
    bar: bool = False
    weak: bool = False
    stepless: bool = False
    losses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    activity: Activity | None = None
    besides: bool = False
    near: str | None = None

    @property
    def groups(self) -> frozenset[str]:
        """The numbers that it may show."""
        return frozenset(regex(self.pattern).groupindex)

    @property
    def heads(self) -> bool:
        """Whether it is the header of an epoch: its number, and nothing else."""
        return self.groups == {"epoch"} and self.needs is None

    def may_be_near(self, found: frozenset[str]) -> bool:
        """Whether it may match where these hints and patterns of bytes occur."""
        if self.near is not None:
            return self.near in found
        return not self.hints or not found.isdisjoint(self.hints)

    def last(self, text: str, lower: str) -> re.Match[str] | None:
        """The last match in a line, which is also given in lower case, that is about training."""
        if self.hints and not any(hint in lower for hint in self.hints):
            return None
        if self.needs is not None and not regex(self.needs).search(lower):
            return None
        found = None
        for match in regex(self.pattern).finditer(text):
            about = text[max(0, match.start() - _BEFORE) : match.end()]
            if self.unless is None or not regex(self.unless).search(about):
                found = match
        return found

    def loss_in(self, text: str) -> float | None:
        """The training loss that a line shows from the match on."""
        if not self.losses:
            return training_loss(text.lower(), self.names)
        matches = (regex(pattern).search(text) for pattern in self.losses)
        return next((_float(match["loss"]) for match in matches if match is not None), None)


@dataclass(frozen=True, slots=True)
class Marker:
    """Texts by which a framework is known that prints no progress of its own; `over`: what it is built on may."""

    framework: str
    texts: tuple[str, ...]
    over: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """Texts that name the folder where checkpoints go, as group `folder`."""

    pattern: str
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a line shows: progress, or that the program does something else.

    `weak`: the progress only fills in what no other line has shown; `stepless`: only while no line has shown a step;
    `head`: it is the header of an epoch.
    """

    progress: Progress
    weak: bool = False
    stepless: bool = False
    activity: Activity | None = Activity.TRAINING
    """None where the line tells numbers, but not that a step was made."""
    head: bool = False

    @property
    def trains(self) -> bool:
        """Whether the line is about training itself."""
        return self.progress != NOTHING

    def yields_to(self, shown: Progress | None) -> bool:
        """Whether what was shown before outweighs it."""
        return self.weak or (self.stepless and shown is not None and shown.step is not None)


@dataclass(frozen=True)
class Table:
    """Patterns in the order in which they are tried, and what tells frameworks apart."""

    patterns: tuple[Pattern, ...]
    markers: tuple[Marker, ...] = ()
    outputs: tuple[Output, ...] = ()

    @cached_property
    def counts(self) -> bool:
        """Whether any pattern may show a step."""
        return any(item.activity is None and "step" in item.groups for item in self.patterns)

    @cached_property
    def heads(self) -> bool:
        """Whether any is the header of an epoch."""
        return any(item.heads for item in self.patterns)

    @property
    def hints(self) -> frozenset[str]:
        """Lower-case texts that tell which patterns some bytes may mean anything to."""
        known = {hint for item in self.patterns if item.near is None for hint in item.hints}
        known.update(hint for item in self.outputs for hint in item.hints)
        return frozenset(known.union(text.lower() for item in self.markers for text in item.texts))

    @property
    def nears(self) -> frozenset[str]:
        """The same, as patterns of bytes."""
        return frozenset(item.near for item in self.patterns if item.near is not None)

    def within(self, found: frozenset[str]) -> "Table":
        """What is left of the table where only these of its hints and patterns of bytes occur."""
        return Table(
            tuple(item for item in self.patterns if item.may_be_near(found)),
            tuple(item for item in self.markers if any(text.lower() in found for text in item.texts)),
            tuple(item for item in self.outputs if not found.isdisjoint(item.hints)),
        )

    def find(self, text: str, *, ended: bool = True) -> Found | None:
        """Read a cleaned line, and in it each bar by itself. One that has not `ended` may be cut in a number."""
        pieces = list(_pieces(text))
        if not ended:
            pieces.pop()
        found: Found | None = None
        for piece in reversed(pieces[-PIECES_AT_MOST:]):
            older = self._first(piece, ended=ended)
            found = older if found is None else _joined(found, older)
            if found is not None and found.progress.step is not None and found.progress.loss is not None:
                break
        return found

    def marked(self, holds: Callable[[str], bool]) -> Marker | None:
        """The first marker of which something `holds` a text."""
        return next((item for item in self.markers if any(map(holds, item.texts))), None)

    def output(self, text: str) -> str | None:
        """The folder for checkpoints that a text names last."""
        matches = (match for item in self.outputs for match in regex(item.pattern).finditer(text))
        last = max(matches, key=lambda match: match.start(), default=None)
        return last["folder"] if last is not None else None

    def over(self, framework: str | None) -> Marker | None:
        """The marker of a framework that is built on others, by its name."""
        return next((item for item in self.markers if item.over and item.framework == framework), None)

    def _first(self, text: str, *, ended: bool) -> Found | None:
        lower = text.lower()
        told: Found | None = None
        for pattern in self.patterns:
            match = pattern.last(text, lower) if pattern.bar or ended else None
            if match is None:
                continue
            found = _found(pattern, match, text)
            if not (pattern.besides and told is None):
                return found if told is None or not found.trains else replace(found, activity=told.activity)
            told = found
        return told


def merge(old: Progress | None, new: Progress, *, weak: bool = False) -> Progress:
    """Take newer numbers in; what the new line lacks stays. Weak ones only fill in what is not known."""
    if old is None:
        return new
    if weak:
        loss = new.loss if old.loss is None else old.loss
        return replace(old, loss=loss, total=new.total if old.step is None and new.total is not None else old.total)
    stepped = new.step is not None
    return Progress(
        step=new.step if stepped else old.step,
        total=new.total if stepped else old.total,
        epoch=new.epoch if new.epoch is not None else old.epoch,
        loss=new.loss if new.loss is not None else old.loss,
        throughput=new.throughput if new.throughput is not None or stepped else old.throughput,
        framework=new.framework or old.framework,
    )


def _pieces(text: str) -> Iterator[str]:
    """A line cut behind each bar; the last piece is what follows the last one, or all of a line without."""
    begin = 0
    if "<" in text or "it [" in text:
        for match in _CLOSED_BAR.finditer(text):
            yield text[begin : match.end()]
            begin = match.end()
    yield text[begin:]


def _joined(newer: Found, older: Found | None) -> Found:
    """What stands behind a bar is newer than the bar, but seldom says as much."""
    if older is None or not older.trains:
        return newer
    if not newer.trains:
        return replace(older, activity=newer.activity)
    if newer.progress.step is not None:
        loss = newer.progress.loss if newer.progress.loss is not None else older.progress.loss
        return replace(newer, progress=replace(newer.progress, loss=loss))
    return replace(older, progress=merge(older.progress, newer.progress, weak=newer.weak), activity=newer.activity)


def _found(pattern: Pattern, match: re.Match[str], text: str) -> Found:
    if pattern.activity is not None:
        return Found(NOTHING, activity=pattern.activity)
    activity = None if pattern.weak else Activity.TRAINING
    return Found(_numbers(pattern, match, text), pattern.weak, pattern.stepless, activity, pattern.heads)


def _numbers(pattern: Pattern, match: re.Match[str], text: str) -> Progress:
    groups = match.groupdict()
    pace, loss, epoch = _float(groups.get("pace")), _float(groups.get("loss")), _float(groups.get("epoch"))
    if loss is None:
        loss = pattern.loss_in(text[match.start() :])
    if loss is None and not pattern.losses:
        loss = pattern.loss_in(text[max(0, match.start() - _LOSS_BEFORE) : match.start()])
    if epoch is None and pattern.bar:
        epoch = _described_epoch(text[max(0, match.start() - _BEFORE) : match.start()])
    return Progress(
        step=_int(groups.get("step")),
        total=_int(groups.get("total")),
        epoch=epoch,
        loss=loss,
        throughput=1 / pace if pace else _float(groups.get("throughput")),
        framework=pattern.framework,
    )


def _described_epoch(text: str) -> float | None:
    """The epoch that a bar's description names last."""
    return next((float(match[1]) for match in reversed(list(_EPOCH.finditer(text)))), None)


def _int(text: str | None) -> int | None:
    digits = (text or "").replace(",", "").replace("_", "")
    return int(digits) if digits.isdigit() else None


def _float(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
