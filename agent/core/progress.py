"""How far a training run is, read from what frameworks print: as printed, never guessed.

The patterns are `progress.toml`; a new framework is a new table there.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources

from agent.core.facts import Activity, Progress
from agent.core.model import Json

GROUPS = frozenset({"step", "total", "epoch", "loss", "throughput"})
"""The named groups that a user's pattern may have."""
_BEFORE = 160
"""Characters before a match that may tell what a bar is about."""

_NUMBER = r"[-+]?(?:\d{1,15}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?|nan|inf(?:inity)?)\b"
_LOSS = re.compile(
    rf"(?<![\w./-])(?P<name>[\w/.-]{{0,40}}?loss[\w/.-]{{0,40}})['\"]?\s{{0,3}}[=:\s]\s{{0,3}}['\"]?(?P<value>{_NUMBER})",
    re.IGNORECASE,
)
_LOSS_NAMES: Sequence[str] = (
    "reduced_train_loss", "loss", "train_loss", "train_loss_step", "training_loss", "avr_loss", "total_loss",
    "avg_loss", "train/loss", "loss/train",
)  # fmt: skip
"""Names of the training loss, the surest first; `reduced_train_loss` is the mean over ranks, `loss` that of one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to print progress; the fields are the keys of `progress.toml`."""

    id: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()
    framework: str | None = None
    unless: re.Pattern[str] | None = None
    needs: re.Pattern[str] | None = None
    unended: bool = False
    weak: bool = False
    others: Mapping[Activity, re.Pattern[str]] = field(default_factory=dict)
    """What a match is about that is not training."""

    def matches(self, text: str) -> Iterator[tuple[re.Match[str], Activity]]:
        """Every match in a line with what it is about, but for those that are about nothing of interest."""
        if self.needs is not None and not self.needs.search(text):
            return
        for match in self.pattern.finditer(text):
            about = text[max(0, match.start() - _BEFORE) : match.end()]
            other = (activity for activity, pattern in self.others.items() if pattern.search(about))
            if self.unless is None or not self.unless.search(about):
                yield match, next(other, Activity.TRAINING)


@dataclass(frozen=True, slots=True)
class Telling:
    """Texts without numbers that tell what the program does; the fields are the keys of `progress.toml`."""

    id: str
    activity: Activity
    pattern: re.Pattern[str]
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a line shows: progress, an activity, or both. `weak`: it only fills in what no other line has shown."""

    progress: Progress | None
    weak: bool = False
    activity: Activity | None = None


def parse(text: str) -> Progress | None:
    """Read the training progress that a cleaned line shows; None if it shows none."""
    found = find(builtin(), text)
    return found.progress if found is not None else None


def find(
    patterns: Iterable[Pattern], text: str, *, tellings: Iterable[Telling] = (), ended: bool = True
) -> Found | None:
    """Read progress by the first pattern that matches. A line that has not `ended` may be cut within a number."""
    lower = text.lower()
    found, told, behind = None, None, 0
    for pattern in patterns:
        if not ended and not pattern.unended:
            continue
        if pattern.hints and not any(hint in lower for hint in pattern.hints):
            continue
        for match, activity in pattern.matches(text):
            told, behind = activity, match.end()
            found = (pattern, match) if activity is Activity.TRAINING else found
        if told is not None:
            break
    rest = lower[behind:]
    for telling in tellings:
        if any(hint in rest for hint in telling.hints) and telling.pattern.search(text, behind):
            told = telling.activity
            break
    if found is None:
        return Found(None, activity=told) if told is not None else None
    pattern, match = found
    return Found(_numbers(pattern, match, text), pattern.weak, None if pattern.weak else told)


def merge(old: Progress | None, new: Progress, *, weak: bool = False) -> Progress:
    """Take newer numbers in. What the new line lacks stays; a lesser counter does not displace a running bar."""
    if old is None:
        return new
    if weak or aside(old, new):
        return old if old.loss is not None else replace(old, loss=new.loss)
    stepped = new.step is not None
    return Progress(
        step=new.step if stepped else old.step,
        total=new.total if stepped else old.total,
        epoch=new.epoch if new.epoch is not None else old.epoch,
        loss=new.loss if new.loss is not None else old.loss,
        throughput=new.throughput if new.throughput is not None or stepped else old.throughput,
        framework=new.framework or old.framework,
    )


def aside(old: Progress, new: Progress) -> bool:
    """Whether a counter is likely an evaluation's within training: smaller, without a loss, amid a running bar."""
    if new.loss is not None or new.total == old.total:
        return False
    if new.total is None or old.total is None or old.step is None:
        return False
    return new.total < old.total and old.step < old.total


def same(one: Progress | None, other: Progress | None) -> bool:
    """Whether two readings show the same numbers; unlike `==`, one nan is another."""
    if one is None or other is None or one.loss == other.loss:
        return one == other
    return one.loss != one.loss and other.loss != other.loss and replace(one, loss=None) == replace(other, loss=None)


@cache
def builtin() -> tuple[Pattern, ...]:
    """Load the patterns that come with the agent, in the order in which they are tried."""
    return tuple(from_table(table) for table in _tables()["progress"])


@cache
def tellings() -> tuple[Telling, ...]:
    """Load the texts that tell what the program does."""
    return tuple(_telling(str(table["id"]), table) for table in _tables()["activity"])


def _telling(name: str, table: Mapping[str, Json]) -> Telling:
    return Telling(name, Activity(table["activity"]), _compiled(name, table["pattern"]), tuple(table["hints"]))


@cache
def _tables() -> Mapping[str, list[Mapping[str, Json]]]:
    return tomllib.loads(resources.files("agent.core").joinpath("progress.toml").read_text("utf-8"))


def from_table(table: Mapping[str, Json]) -> Pattern:
    """Build a pattern from a table. Raises ValueError that names the id and what is wrong."""
    name = str(table["id"])
    return Pattern(
        id=name,
        pattern=_compiled(name, table["pattern"]),
        hints=tuple(table.get("hints", ())),
        framework=table.get("framework"),
        unless=_compiled(name, table["unless"]) if "unless" in table else None,
        needs=_compiled(name, table["needs"]) if "needs" in table else None,
        unended=table.get("unended", False),
        weak=table.get("weak", False),
        others={activity: _compiled(name, table[activity]) for activity in Activity if activity in table},
    )


def own(name: str, pattern: str) -> Pattern:
    """Build a user's pattern. Raises ValueError that names the id if it does not compile or names unknown groups."""
    built = from_table({"id": name, "pattern": pattern})
    groups = frozenset(built.pattern.groupindex)
    if not groups or not groups <= GROUPS:
        wrong = ", ".join(sorted(groups - GROUPS)) or "none"
        raise ValueError(f"progress {name!r}: expected named groups out of {', '.join(sorted(GROUPS))}; found {wrong}")
    return built


def _numbers(pattern: Pattern, match: re.Match[str], text: str) -> Progress:
    groups = match.groupdict()
    pace = _float(groups.get("pace"))
    loss = _float(groups.get("loss"))
    return Progress(
        step=_int(groups.get("step")),
        total=_int(groups.get("total")),
        epoch=_float(groups.get("epoch")),
        loss=loss if loss is not None else _loss(text[match.start() :]),
        throughput=1 / pace if pace else _float(groups.get("throughput")),
        framework=pattern.framework,
    )


def _loss(text: str) -> float | None:
    """The training loss that a line shows, by the surest of its names; losses of evaluations are something else."""
    found: dict[str, float | None] = {}
    for match in _LOSS.finditer(text):
        found[match["name"].lower()] = _float(match["value"])
    return next((found[name] for name in _LOSS_NAMES if name in found), None)


def _int(text: str | None) -> int | None:
    digits = (text or "").replace(",", "")
    return int(digits) if digits.isdigit() else None


def _float(text: str | None) -> float | None:
    try:
        return float((text or "").replace(",", ""))
    except ValueError:
        return None


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        place = "" if error.pos is None else f" at position {error.pos}"
        raise ValueError(f"progress {name!r}: the pattern does not compile: {error.msg}{place}") from None
