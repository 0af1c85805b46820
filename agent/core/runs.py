"""Where a training run begins in a log that may hold several, one after another.

Bars are drawn once more below a traceback or a completion marker, evaluations draw bars of their own, and a program may
survive an error; none of these is a new run.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from agent.core.facts import FindingKind, Progress, Role
from agent.core.progress import merge

ADVANCES = 2
"""Steps after an error that show that something trains, be it the same program or the next."""


class Awaited(StrEnum):
    """What would begin a run."""

    NOTHING = "nothing"
    """A run is under way."""
    ANY = "any"
    """Any progress."""
    AFTER_END = "after_end"
    """Progress that is neither a bar drawn once more nor an evaluation's: the last run was complete."""
    AFTER_ERROR = "after_error"
    """Progress that starts over, or that goes on: the last run may have died."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where the log stands between runs. `anchor`: the byte offset behind which the present or next run lies."""

    anchor: int
    awaited: Awaited = Awaited.ANY
    before: Progress | None = None
    """What was shown at the end or error."""
    advances: int = 0


def marked(run: Run, kind: FindingKind, role: Role, offset: int, shown: Progress | None) -> Run:
    """Take note of a finding: a start, a good end or a root error puts the next run behind it."""
    if kind is FindingKind.STARTED:
        return Run(offset)
    if kind is FindingKind.COMPLETED:
        return Run(offset, Awaited.AFTER_END, shown)
    if role is Role.ROOT and run.awaited in (Awaited.NOTHING, Awaited.AFTER_ERROR):
        return Run(offset, Awaited.AFTER_ERROR, shown)
    return run


def progressed(
    run: Run, shown: Progress | None, new: Progress, *, weak: bool = False
) -> tuple[Run, Progress | None, bool]:
    """Take in what a line shows; the new state, what is now shown, and whether a run has just begun."""
    if weak:
        return run, merge(shown, new, weak=True), False
    if run.awaited is Awaited.NOTHING:
        return run, merge(shown, new), False
    begun = replace(run, awaited=Awaited.NOTHING, before=None, advances=0)
    if run.awaited is Awaited.ANY:
        return begun, new, True
    if run.awaited is Awaited.AFTER_END:
        return _after_end(run, begun, shown, new)
    return _after_error(run, begun, shown, new)


def _after_end(run: Run, begun: Run, shown: Progress | None, new: Progress) -> tuple[Run, Progress | None, bool]:
    before = run.before
    same_counter = before is None or new.total == before.total
    if not same_counter and new.loss is None:
        return run, shown, False
    if _starts_over(before, new):
        return begun, new, True
    return run, merge(shown, new) if same_counter else shown, False


def _after_error(run: Run, begun: Run, shown: Progress | None, new: Progress) -> tuple[Run, Progress | None, bool]:
    if _starts_over(run.before, new):
        return begun, new, True
    after = merge(shown, new)
    if shown is not None and _position(after) > _position(shown):
        run = replace(run, advances=run.advances + 1)
    return (begun, after, True) if run.advances >= ADVANCES else (run, after, False)


def _starts_over(before: Progress | None, new: Progress) -> bool:
    if before is None or (before.step is None and before.epoch is None):
        return True
    if before.epoch is not None and new.epoch is not None and before.epoch != new.epoch:
        return new.epoch < before.epoch
    return before.step is not None and new.step is not None and new.step < before.step


def _position(progress: Progress) -> tuple[float, int]:
    return (progress.epoch or 0, progress.step or 0)
