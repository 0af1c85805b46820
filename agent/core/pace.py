"""What a job teaches about its own rhythm: how long its steps, evaluations and checkpoints take.

A plain value that is kept with the job. Readings come every few seconds, so a step that moves by many between two of
them is one move; what counts here is how long nothing moves, not how long a step takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.core.facts import Activity, Progress
from agent.core.ports import LogReading

GAPS_KEPT = 64
"""Moves whose gaps are remembered: enough for a 95th percentile."""
FIRST_MOVES = 5
"""Moves after which training counts as steady."""
_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Pace:
    """Times are UTC milliseconds, durations milliseconds."""

    position: tuple[float, int] | None = None
    """Epoch and step that were seen last."""
    moved_at: int | None = None
    moves: int = 0
    """How often the position was seen to move, the first sight not counted."""
    gaps: tuple[int, ...] = ()
    """Between moves with nothing but training in between, the last ones."""
    longest: int = 0
    settled: int = 0
    """The longest of them after the first moves, in which programs compile."""
    slowest: int = 0
    """The longest time between two moves, whatever the program did meanwhile."""
    activity: Activity | None = None
    activity_since: int | None = None
    aside: bool = False
    """Whether the program has done something else than training since it last moved."""
    evaluation: int = 0
    """The longest evaluation that came to its end."""
    checkpoint: int = 0


def position(progress: Progress) -> tuple[float, int] | None:
    """Where training stands; None as long as nothing is counted."""
    if progress.step is None and progress.epoch is None:
        return None
    return (progress.epoch or 0.0, progress.step or 0)


def follow(pace: Pace, reading: LogReading, watched_from: int) -> Pace:
    """Take in how a log stands. A gap that began before `watched_from` teaches nothing: nobody was looking."""
    pace = _act(pace, reading, watched_from)
    here = position(reading.progress) if reading.progress is not None else None
    if here is None or here == pace.position or reading.progress_at is None:
        return pace
    if pace.moved_at is None or pace.position is None:
        return replace(pace, position=here, moved_at=reading.progress_at, aside=False)
    gap = max(0, reading.progress_at - pace.moved_at)
    learned = pace.moved_at >= watched_from
    steady = learned and not pace.aside
    return replace(
        pace, position=here, moved_at=reading.progress_at, aside=False,
        moves=pace.moves + 1,
        gaps=(*pace.gaps, gap)[-GAPS_KEPT:] if steady else pace.gaps,
        longest=max(pace.longest, gap) if steady else pace.longest,
        settled=max(pace.settled, gap) if steady and pace.moves >= FIRST_MOVES else pace.settled,
        slowest=max(pace.slowest, gap) if learned else pace.slowest,
    )  # fmt: skip


def usual(gaps: Sequence[int], share: float = _SHARE) -> int:
    """The gap that this share of all gaps does not pass; 0 without any."""
    ordered = sorted(gaps)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def median(gaps: Sequence[int]) -> int:
    """The gap in the middle; 0 without any."""
    return usual(gaps, 0.5)


def _act(pace: Pace, reading: LogReading, watched_from: int) -> Pace:
    now, at = reading.activity, reading.activity_at
    if now is None or at is None or now is pace.activity:
        return pace
    since = pace.activity_since
    took = at - since if since is not None and since >= watched_from else 0
    return replace(
        pace, activity=now, activity_since=at,
        aside=pace.aside or now is not Activity.TRAINING,
        evaluation=max(pace.evaluation, took) if pace.activity is Activity.EVALUATING else pace.evaluation,
        checkpoint=max(pace.checkpoint, took) if pace.activity is Activity.SAVING else pace.checkpoint,
    )  # fmt: skip
