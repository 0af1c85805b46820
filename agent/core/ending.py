"""Whether the last words of a log are those of a run that came to its last step: for programs that say nothing more."""

import re
from collections.abc import Sequence

from agent.core.facts import Progress
from agent.core.progress import parse

_EPOCH = re.compile(
    r"\bepochs?[\s:=#\[(]{0,4}(?P<number>\d{1,9})(?:\s?(?:/|of)\s?(?P<total>\d{1,9}))?", re.IGNORECASE
)
WORDS_AFTER = 12
"""Lines that may follow the last step: results, where the model was saved, notes of libraries that close down."""


def is_full(lines: Sequence[str], progress: Progress) -> bool:
    """Whether the last of some cleaned lines show the last step of the last epoch, with few words after it.

    `progress` is what the log shows last. A counter within an epoch says nothing of the others, unless those are
    counted too.
    """
    if progress.step is None or not progress.total or progress.step < progress.total:
        return False
    for place in range(len(lines) - 1, -1, -1):
        shown = parse(lines[place]) if len(lines) - place <= WORDS_AFTER else None
        if shown is not None and shown.step is not None:
            return (shown.step, shown.total) == (progress.step, progress.total) and _is_last_epoch(lines[: place + 1])
    return False


def _is_last_epoch(lines: Sequence[str]) -> bool:
    for line in reversed(lines):
        epochs = list(_EPOCH.finditer(line))
        if epochs:
            last = epochs[-1]
            return last["total"] is not None and int(last["number"]) >= int(last["total"])
    return True
