"""How far a training run is, read from what frameworks print: as printed, never guessed.

The patterns are `progress.toml`; a new framework is a new table there.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from agent.core.facts import Activity, Progress
from agent.core.model import Json

GROUPS = frozenset({"step", "total", "epoch", "loss", "throughput"})
"""The named groups that a user's pattern may have."""
_BEFORE = 160
"""Characters before a match that may tell what a bar is about."""

NOTHING = Progress()
"""What a line shows that tells of something else than training."""

_NUMBER = r"[-+]?(?:\d{1,15}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?|nan|inf(?:inity)?)\b"
_LOSS = re.compile(
    rf"(?<![\w./-])(?P<name>[\w/.-]{{0,40}}?loss[\w/.-]{{0,40}})['\"]?\s{{0,3}}[=:\s]\s{{0,3}}['\"]?(?P<value>{_NUMBER})",
    re.IGNORECASE,
)
_LOSS_NAMES: Sequence[str] = (
    "reduced_train_loss", "loss", "train_loss", "train_loss_step", "training_loss", "avr_loss", "total_loss",
    "avg_loss", "mean_loss", "running_loss", "loss_avg", "train/loss", "train/total_loss", "loss/train", "loss_step",
    "train_loss_epoch", "loss_epoch", "policy_loss", "act_loss", "gpt_loss", "actor_loss",
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
    stepless: bool = False
    loss: re.Pattern[str] | None = None
    activity: Activity | None = None

    def last(self, text: str) -> re.Match[str] | None:
        """The last match in a line that is about training."""
        if self.needs is not None and not self.needs.search(text):
            return None
        found = None
        for match in self.pattern.finditer(text):
            about = text[max(0, match.start() - _BEFORE) : match.end()]
            if self.unless is None or not self.unless.search(about):
                found = match
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """What a line shows: progress, or that the program does something else.

    `weak`: the progress only fills in what no other line has shown; `stepless`: only while no line has shown a step.
    """

    progress: Progress
    weak: bool = False
    stepless: bool = False
    activity: Activity | None = Activity.TRAINING
    """None where the line tells numbers, but not that a step was made."""

    @property
    def trains(self) -> bool:
        """Whether the line is about training itself."""
        return self.progress != NOTHING

    def yields_to(self, shown: Progress | None) -> bool:
        """Whether what was shown before outweighs it."""
        return self.weak or (self.stepless and shown is not None and shown.step is not None)


@dataclass(frozen=True, slots=True)
class Table:
    """Patterns in the order in which they are tried, and where each of their hints leads."""

    patterns: tuple[Pattern, ...]
    hints: tuple[tuple[str, int], ...]
    unhinted: tuple[int, ...]

    @classmethod
    def of(cls, patterns: Iterable[Pattern]) -> "Table":
        """Order the patterns' hints, so that a line is held only against what it may match."""
        patterns = tuple(patterns)
        return cls(
            patterns,
            hints=tuple((hint, number) for number, item in enumerate(patterns) for hint in item.hints),
            unhinted=tuple(number for number, item in enumerate(patterns) if not item.hints),
        )

    def find(self, text: str, *, ended: bool = True) -> Found | None:
        """Read a cleaned line by the first pattern that matches. One that has not `ended` may be cut in a number."""
        lower = text.lower()
        hinted = {number for hint, number in self.hints if hint in lower}
        patterns = [self.patterns[number] for number in sorted(hinted.union(self.unhinted))]
        for pattern in patterns:
            match = pattern.last(text) if ended or pattern.unended else None
            if match is not None:
                return _with_activity_behind(_found(pattern, match, text), patterns, text[match.end() :])
        return None


def parse(text: str) -> Progress | None:
    """Read the training progress that a cleaned line shows; None if it shows none."""
    found = builtin().find(text)
    return found.progress if found is not None and found.trains else None


def merge(old: Progress | None, new: Progress, *, weak: bool = False) -> Progress:
    """Take newer numbers in. What the new line lacks stays; a lesser counter does not displace a running bar."""
    if old is None:
        return new
    if weak or aside(old, new):
        loss = new.loss if old.loss is None else old.loss
        return replace(old, loss=loss, total=new.total if weak and old.step is None else old.total)
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
def builtin() -> Table:
    """Load the patterns that come with the agent."""
    text = resources.files("agent.core").joinpath("progress.toml").read_text("utf-8")
    return Table.of(from_table(table) for table in tomllib.loads(text)["progress"])


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
        stepless=table.get("stepless", False),
        loss=_compiled(name, table["loss"]) if "loss" in table else None,
        activity=Activity(table["activity"]) if "activity" in table else None,
    )


def own(name: str, pattern: str) -> Pattern:
    """Build a user's pattern. Raises ValueError that names the id if it does not compile or names unknown groups."""
    built = from_table({"id": name, "pattern": pattern})
    groups = frozenset(built.pattern.groupindex)
    if not groups or not groups <= GROUPS:
        wrong = ", ".join(sorted(groups - GROUPS)) or "none"
        raise ValueError(f"progress {name!r}: expected named groups out of {', '.join(sorted(GROUPS))}; found {wrong}")
    return built


def _found(pattern: Pattern, match: re.Match[str], text: str) -> Found:
    if pattern.activity is not None:
        return Found(NOTHING, activity=pattern.activity)
    activity = None if pattern.weak else Activity.TRAINING
    return Found(_numbers(pattern, match, text), pattern.weak, pattern.stepless, activity)


def _with_activity_behind(found: Found, patterns: Iterable[Pattern], rest: str) -> Found:
    """What stands behind a bar, glued to it, is newer than the bar."""
    if not found.trains:
        return found
    told = (pattern.activity for pattern in patterns if pattern.activity is not None and pattern.last(rest) is not None)
    return replace(found, activity=next(told, found.activity))


def _numbers(pattern: Pattern, match: re.Match[str], text: str) -> Progress:
    groups = match.groupdict()
    pace = _float(groups.get("pace"))
    loss = _float(groups.get("loss"))
    if loss is None:
        loss = _loss(text[match.start() :]) if pattern.loss is None else _captured(pattern.loss, text[match.start() :])
    return Progress(
        step=_int(groups.get("step")),
        total=_int(groups.get("total")),
        epoch=_float(groups.get("epoch")),
        loss=loss,
        throughput=1 / pace if pace else _float(groups.get("throughput")),
        framework=pattern.framework,
    )


def _captured(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return _float(match["loss"]) if match is not None else None


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
