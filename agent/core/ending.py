"""Whether the last words of a log are those of a run that came to its last step: for programs that say nothing more."""

import re
from collections.abc import Sequence

from agent.core.facts import Activity, Progress
from agent.core.progress import builtin

_EPOCH = re.compile(
    r"\bepochs?[\s:=#\[(]{0,4}(?P<number>\d{1,9})(?:\s?(?:/|of)\s?(?P<total>\d{1,9}))?", re.IGNORECASE
)
_BAR = re.compile(r"(\d{1,15})/(\d{1,15}) ")
WORDS_AFTER = 12
"""Lines that may follow the last step: results, where the model was saved, notes of libraries that close down."""


def is_full(lines: Sequence[str], progress: Progress) -> bool:
    """Whether the last of some cleaned lines show the last step of the last epoch, with few words after it.

    `progress` is what the log shows last. A counter within an epoch says nothing of the others, unless those are
    counted too. The evaluation that follows must have come to its end as well.
    """
    if progress.step is None or not progress.total or progress.step < progress.total:
        return False
    words, aside = 0, False
    for place in range(len(lines) - 1, -1, -1):
        counted = _counted(lines[place])
        if counted == (progress.step, progress.total):
            return _is_last_epoch(lines[: place + 1])
        if counted is not None and not aside and counted[0] < counted[1]:
            return False
        aside |= counted is not None
        words += counted is None
        if words >= WORDS_AFTER:
            return False
    return False


def _counted(line: str) -> tuple[int, int] | None:
    """The step and total that a line shows, of training or of an evaluation; None if it shows no step."""
    found = builtin().find(line)
    if found is None:
        return None
    if found.activity is Activity.EVALUATING:
        bars = _BAR.findall(line)
        return (int(bars[-1][0]), int(bars[-1][1])) if bars else None
    shown = found.progress if found.trains else None
    return None if shown is None or shown.step is None else (shown.step, shown.total or shown.step)


def _is_last_epoch(lines: Sequence[str]) -> bool:
    for line in reversed(lines):
        epochs = list(_EPOCH.finditer(line))
        if epochs:
            last = epochs[-1]
            return last["total"] is not None and int(last["number"]) >= int(last["total"])
    return True
