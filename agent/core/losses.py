"""Whether a line's training loss is a number at all, and whether the next record's is again not one.

A single record without a number may be a skipped step of mixed precision; two in a row are worth a word.
"""

import re
from enum import Enum, auto

from agent.core.block import CONTEXT_LENGTH, Step, Told

WITHIN = 5_000
"""Lines after a record without a number in which the next record is awaited: a bar may be drawn at every step."""
TOLD_AT = (2, 20)
"""Records in a row that are worth a finding: one may be chance, twenty are past hope."""

_VALUE = r"[-+]?(?:\d{1,15}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?|(?:nan|inf(?:inity)?)(?:\.0)?)(?![\w.])"
_LOSS = re.compile(
    rf"(?P<name>(?:\b\w{{1,20}} )?[\w/.-]{{0,40}}loss[\w/.-]{{0,40}})['\"]?\)?"
    rf"\s{{0,3}}[=:|\s]\s{{0,12}}\(?['\"]?(?P<value>{_VALUE})",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"val|test|dev\b|best|min|max|prev|last|thresh|limit|clip|target|init|scale|stop|weight", re.IGNORECASE
)
"""In the name of a loss that is not the training's, or of a setting."""
_LISTED = re.compile(rf"\blosses: [^\]]{{0,200}}\btotal (?P<total>{_VALUE})", re.IGNORECASE)
_NO_NUMBER = re.compile(r"[-+]?(?:nan|inf)", re.IGNORECASE)
_GRADIENT = re.compile(r"grad[_ ]?norm['\"]?\s{0,3}[=:]\s{0,3}['\"]?(?:nan|inf)\b", re.IGNORECASE)
_SUMMARY = re.compile(r"train_runtime")
"""Of the Hugging Face Trainer: what follows is an average over the whole run."""
_MEGATRON = re.compile(r"\biteration +\d{1,15}/ +\d{1,15} \|")
_COLUMNS = re.compile(
    r"\s*\d{1,9}/\d{1,9}\s+\d\S{0,12}G\s+"
    r"(?P<losses>(?:nan|inf|-?\d[\d.e+-]{0,20})(?:\s+(?:nan|inf|-?\d[\d.e+-]{0,20})){1,5}) "
)
"""Ultralytics: epoch, memory, then a column for each loss."""
_BAR = re.compile(r"(\d{1,15}/\d{1,15}) \[")
_EPOCH = re.compile(r"\bepoch\W{0,4}(\d{1,9})|^\s{0,16}(\d{1,9})/\d{1,9}\s+\d\S{0,12}G\s", re.IGNORECASE)
_NAMED_STEP = re.compile(r"\b(?:step|iter(?:ation)?|batch|update)s?\b\W{0,8}(\d[\d,/]{0,30})", re.IGNORECASE)


class Number(Enum):
    """What the training loss of a line is."""

    FINITE = auto()
    NONE = auto()
    """No number: nan, infinite, or a zero or nothing beside a gradient that is not finite."""


def number(text: str) -> Number | None:
    """Judge a cleaned line; None if it tells of no training loss."""
    if _SUMMARY.search(text):
        return None
    columns = _COLUMNS.match(text)
    if columns is not None:
        return Number.NONE if _NO_NUMBER.search(columns["losses"]) else Number.FINITE
    found = [match["value"] for match in _LOSS.finditer(text) if not _ASIDE.search(match["name"])]
    broken = _GRADIENT.search(text) is not None
    if not found:
        listed = _LISTED.search(text)
        found = [listed["total"]] if listed is not None else []
    if not found:
        # Megatron leaves out a loss that is not a number.
        return Number.NONE if broken and _MEGATRON.search(text) else None
    if any(map(_NO_NUMBER.match, found)):
        return Number.NONE
    # The Hugging Face Trainer prints 0.0 for a loss that is not a number.
    return Number.NONE if broken and all(float(value) == 0 for value in found) else Number.FINITE


class Records:
    """Waits, after a record whose loss is no number, for the next one: it confirms the first, or shows a recovery.

    It is told when the second and the twentieth in a row come, and goes on watching until a loss is a number again.
    """

    def __init__(self, opening: str) -> None:
        self._opening = self._last = opening
        self._count = 1 if number(opening) is Number.NONE else 0
        self._lines = 0
        self._recovered = False
        self._epoch = _epoch(opening)
        self._step = self._counted = _step(opening, self._epoch)

    def take(self, text: str) -> Step:
        """Look at the next line: ENDED where there is something to tell, CUT where the wait is over."""
        self._lines += 1
        found = number(text)
        self._epoch = _epoch(text) or self._epoch
        self._step = _step(text, self._epoch) or self._step
        if found is Number.FINITE or self._lines > WITHIN:
            self._recovered = found is Number.FINITE and self._count > 1
            self._last = text if self._recovered else self._last
            return Step.CUT
        if found is None or (self._step is not None and self._step == self._counted):
            return Step.FOREIGN  # a bar that is drawn again is the same record
        self._count, self._last, self._lines, self._counted = self._count + 1, text, 0, self._step
        return Step.ENDED if self._count in TOLD_AT else Step.FOREIGN

    def told(self) -> Told:
        """The last record, with the first as context."""
        if self._recovered:
            return Told(self._last, (), {"records": self._count, "recovered": True})
        context = (self._opening[:CONTEXT_LENGTH],) if self._count > 1 else ()
        return Told(self._last, context, {"records": self._count})


def _step(text: str, epoch: str) -> str | None:
    """Which step a record of an epoch is about: its last bar's, or the first that it names."""
    bars = _BAR.findall(text)
    if bars:
        return f"{epoch} {bars[-1]}"
    step = _NAMED_STEP.search(text)
    return step[1] if step else None


def _epoch(text: str) -> str:
    """The epoch as a line names it, be it only a header above bars; empty where it names none."""
    found = _EPOCH.search(text)
    return found[0] if found else ""
