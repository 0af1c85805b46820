"""Where a training run begins in a log that may hold several, one after another.

Bars are drawn once more below a traceback or a completion marker, evaluations draw bars of their own, and a program may
survive an error; none of these is a new run.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from agent.core.facts import FindingKind, Progress, Role
from agent.core.patterns import Found, merge

ADVANCES = 2
"""Steps after an error that show that something trains, be it the same program or the next."""
SETBACK = 3
"""Steps that a counter must lose at least to tell of a run that was taken up again: ranks print out of order."""
SETBACK_SHARE = 50
"""The same, as the part of all steps that makes one share."""
ROUNDS = 3
"""Rounds of a counter, while nothing else moves, after which it is no evaluation's: those are followed by training."""
NEAR = 2
"""Steps by which a line without a total may differ from a bar that counts the same."""
NEARLY_DONE = 0.9
"""Share of a counter's total from which on it may start over for the next epoch; its last bars are often not drawn."""


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
    own: bool = False
    """Whether the counter's own lines show the loss."""
    displaced: Progress | None = None
    """The counter that gave way to a larger one in mid-course: that may be an evaluation's, and this may return."""
    beside: Progress | None = None
    """The last counter that was taken for an evaluation's."""
    rounds: int = 0
    """How often that one has started over."""
    headed: bool | None = None
    """Whether the header of an epoch stands behind the last step; None as long as there are no headers."""
    cyclic: bool = False
    """Whether the counter was seen to start over."""


def marked(run: Run, kind: FindingKind, role: Role, offset: int, shown: Progress | None) -> Run:
    """Take note of a finding: a start, a good end or a root error puts the next run behind it."""
    if kind is FindingKind.STARTED:
        return Run(offset)
    if kind is FindingKind.COMPLETED:
        return Run(offset, Awaited.AFTER_END, shown)
    if role is Role.ROOT and run.awaited in (Awaited.NOTHING, Awaited.AFTER_ERROR):
        return Run(offset, Awaited.AFTER_ERROR, shown)
    return run


def progressed(run: Run, shown: Progress | None, found: Found, offset: int) -> tuple[Run, Progress | None, bool]:
    """Take in what a line shows; the new state, what is now shown, and whether a run has just begun."""
    new = found.progress
    if found.yields_to(shown):
        # Where the counter's own lines show no loss, the newest of the lines that do is its loss.
        return run, merge(shown, new, weak=found.weak or run.own), False
    if run.awaited is Awaited.NOTHING:
        return _within(run, shown, found, offset)
    begun = _begun(run.anchor, found)
    if run.awaited is Awaited.ANY:
        return begun, new, True
    if run.awaited is Awaited.AFTER_END:
        return _after_end(run, begun, shown, new)
    return _after_error(run, begun, shown, new)


def is_beside(run: Run, shown: Progress | None, new: Progress) -> bool:
    """Whether a counter is likely not the training's that is shown, but that of an evaluation within it."""
    if shown is None or shown.step is None or new.step is None or _same_counter(shown, new):
        return False
    if run.rounds >= ROUNDS and run.beside is not None and run.beside.total == new.total:
        return False
    over = shown.total is not None and shown.step >= shown.total - 1
    if shown.epoch is not None and new.epoch is not None:
        return over and new.epoch == shown.epoch
    if over and run.headed is False and new.epoch is None:
        return True
    if new.loss is not None or _returns(run, new):
        return False
    return run.own or (shown.total is not None and (new.total is None or new.total < shown.total))


def _within(run: Run, shown: Progress | None, found: Found, offset: int) -> tuple[Run, Progress | None, bool]:
    new = found.progress
    if is_beside(run, shown, new):
        return replace(run, beside=new, rounds=_rounds(run, new)), shown, False
    if shown is None or new.step is None:
        return replace(run, headed=found.head or run.headed), merge(shown, new), False
    if _falls_back(run, shown, new):
        return replace(_begun(offset, found), cyclic=True), new, True
    same = _same_counter(shown, new)
    if same and new.total is None:
        new = replace(new, total=shown.total)
    after = replace(
        run,
        own=new.loss is not None or (run.own and same),
        displaced=shown if _gives_way(shown, new) else run.displaced,
        beside=None,
        rounds=0,
        headed=False if run.headed else run.headed,
        cyclic=run.cyclic or (shown.step is not None and (new.step or 0) < shown.step),
    )
    return after, merge(shown, new), False


def _begun(anchor: int, found: Found) -> Run:
    new = found.progress
    return Run(anchor, Awaited.NOTHING, own=new.step is not None and new.loss is not None, headed=found.head or None)


def _same_counter(shown: Progress, new: Progress) -> bool:
    """Whether two numbers count the same. One without a total does so if it is about where the other stands."""
    if shown.total == new.total or shown.step is None or new.step is None:
        return shown.total == new.total
    if shown.total is not None and new.total is not None:
        return False
    total = shown.total or new.total or 0
    near = max(NEAR, total // SETBACK_SHARE)
    return abs(shown.step - new.step) <= near and max(shown.step, new.step) <= total


def _gives_way(shown: Progress, new: Progress) -> bool:
    return 0 < (shown.step or 0) < (shown.total or 0) < (new.total or 0)


def _rounds(run: Run, new: Progress) -> int:
    """How often what is taken for an evaluation has started over while nothing else moved."""
    if run.beside is None or run.beside.total != new.total:
        return 0
    return run.rounds + ((new.step or 0) < (run.beside.step or 0))


def _returns(run: Run, new: Progress) -> bool:
    displaced = run.displaced
    return displaced is not None and new.total == displaced.total and (new.step or 0) >= (displaced.step or 1)


def _falls_back(run: Run, shown: Progress, new: Progress) -> bool:
    """Whether a counter goes back by more than ranks or epochs make it: the run was taken up again, or starts over."""
    if shown.step is None or new.step is None or new.total != shown.total or run.cyclic or run.headed is not None:
        return False
    lost = shown.step - new.step
    if shown.epoch is not None and new.epoch is not None and shown.total is not None:
        lost += int((shown.epoch - new.epoch) * shown.total)
    elif shown.total is not None and shown.step >= NEARLY_DONE * shown.total:
        return False
    return lost >= max(SETBACK, (shown.total or 0) // SETBACK_SHARE)


def _after_end(run: Run, begun: Run, shown: Progress | None, new: Progress) -> tuple[Run, Progress | None, bool]:
    before = run.before
    same_counter = before is None or new.total == before.total
    if not same_counter and new.loss is None:
        return run, shown, False
    if _starts_over(before, new):
        # LightGBM repeats the line of the best of its iterations when it stops early.
        anew = before is None or (new.step or 0) <= (before.step or 0) // 2 or before.epoch != new.epoch
        return (begun, new, True) if anew else (run, shown, False)
    return run, merge(shown, new) if same_counter else shown, False


def _after_error(run: Run, begun: Run, shown: Progress | None, new: Progress) -> tuple[Run, Progress | None, bool]:
    if is_beside(run, shown, new):
        return run, shown, False
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
