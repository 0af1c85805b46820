"""When silence is a stall: how long a job may stay without a step, by what it does and by what it taught about itself.

Slow is not stalled: compiling, evaluating and saving have limits of their own. A job that never counted anything, or
has no log, has no rule. Limits: the project's reference, cross-checked with NVIDIA's fault-tolerance defaults (setup
600 s, step 180 s, checkpoint 420 s, learned limits 5 times what was seen).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from agent.core import pace, standstill, text
from agent.core.clock import HOUR, MINUTE
from agent.core.conditions import MISSING, Observed
from agent.core.episodes import Condition, Seen
from agent.core.facts import Activity, FindingKind
from agent.core.incidents import cause, rooted
from agent.core.job import Job
from agent.core.model import AlertType, Severity
from agent.core.payload import job_snapshot
from agent.core.ports import LogReading
from agent.core.standstill import NOTHING_SEEN, Standstill

STEADY_AT_LEAST = 5 * MINUTE
STEADY_USUAL = 6
"""Times the usual gap between two moves."""
STEADY_LONGEST = 3
"""Times the longest gap, of evaluations and checkpoints too."""
FIRST_AT_LEAST = 20 * MINUTE
FIRST_SLOWEST = 10
FIRST_EVALUATION = HOUR
FIRST_CHECKPOINT = 30 * MINUTE
FINISHING = 30 * MINUTE
"""How long a program may take to end after it said that training is complete."""
PREPARING_AT_MOST = 6 * HOUR
"""How long a program that shows any movement may prepare before that is told once."""


class Phase(StrEnum):
    """What a job is doing, as far as that bears on how long it may be silent."""

    STARTING = "starting"
    PREPARING = "preparing"
    FIRST_STEPS = "first steps"
    STEADY = "training"
    EVALUATION = "evaluation"
    CHECKPOINT = "saving a checkpoint"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True)
class StallLimits:
    """What the user set, in milliseconds."""

    stall_after: int = 30 * MINUTE
    warmup: int = 30 * MINUTE


@dataclass(frozen=True, slots=True)
class Silence:
    """Since when a job has been silent, how long it may be, and why so long."""

    phase: Phase
    since: int
    limit: int
    learned: bool = False
    """Whether the limit comes from the job's own past."""
    note: bool = False
    """Whether it is worth no more than a note."""
    hang_at: int | None = None
    """When it becomes a hang by what GPUs and processes show, however long the limit."""

    @property
    def ends_at(self) -> int:
        """When the silence becomes a stall."""
        limit = self.since + self.limit
        return limit if self.hang_at is None else min(limit, self.hang_at)

    @property
    def hangs(self) -> bool:
        """Whether it is a hang before its time is over."""
        return self.hang_at is not None and self.hang_at < self.since + self.limit


def silence(
    job: Job, reading: LogReading | None, limits: StallLimits, watched_from: int, seen: Standstill = NOTHING_SEEN
) -> Silence | None:
    """Say what a running job may still do silently; None where no rule fits.

    `watched_from`: when the agent began to look; before that nobody could see a step. `seen`: what GPUs and processes
    show besides the log.
    """
    found = _allowed(job, reading, limits, watched_from)
    if found is None:
        return None
    hang_at = standstill.hang_at(seen, job.pace, found.since, steady=found.phase is Phase.STEADY)
    return found if hang_at is None else replace(found, hang_at=hang_at)


def _allowed(job: Job, reading: LogReading | None, limits: StallLimits, watched_from: int) -> Silence | None:
    if job.exit is not None:
        return None
    if job.completed_at is not None:
        finishing = Silence(Phase.FINISHING, max(job.completed_at, watched_from), FINISHING)
        return finishing if job.process is not None else None
    if reading is None:
        return None
    if job.pace.moved_at is None:
        return _starting(job, reading, limits, watched_from)
    return _between_steps(job.pace, reading, limits, watched_from)


def look(
    job: Job, reading: LogReading | None, limits: StallLimits, node: str, now: int, watched_from: int, *,
    firing: bool, seen: Standstill = NOTHING_SEEN,
) -> Seen:  # fmt: skip
    """Judge one running job. `firing`: whether its alert is out; it stays so until the step moves."""
    found = silence(job, reading, limits, watched_from, seen)
    return Seen(_condition(job, found, seen, node, now), _observed(job, found, now, firing=firing))


def over(job: Job, node: str) -> Seen:
    """The same of a job that has ended."""
    return Seen(Condition(AlertType.TIMEOUT_WARNING, identity(job, node), "", ""), None)


def identity(job: Job, node: str) -> dict[str, str]:
    """What makes the condition."""
    return {"node_id": node, "job_id": job.id, "rule": "stall"}


def _starting(job: Job, reading: LogReading, limits: StallLimits, watched_from: int) -> Silence:
    began = max(job.started_at, watched_from)
    moved = max(began, reading.grown_at or 0, reading.activity_at or 0)
    if moved + limits.warmup >= began + PREPARING_AT_MOST:
        return Silence(Phase.PREPARING, began, PREPARING_AT_MOST, note=moved > began)
    return Silence(Phase.STARTING, moved, limits.warmup)


def _between_steps(past: pace.Pace, reading: LogReading, limits: StallLimits, watched_from: int) -> Silence:
    moved = max(past.moved_at or 0, watched_from)
    since = max(moved, past.activity_since or 0)
    if past.aside and past.activity is Activity.EVALUATING:
        return _aside(Phase.EVALUATION, since, past.evaluation, FIRST_EVALUATION)
    if past.aside and past.activity is Activity.SAVING:
        return _aside(Phase.CHECKPOINT, since, past.checkpoint, FIRST_CHECKPOINT)
    if past.aside and past.activity is Activity.PREPARING:
        return Silence(Phase.PREPARING, max(since, reading.activity_at or 0), limits.warmup)
    if past.moves < pace.FIRST_MOVES:
        learned = max(FIRST_AT_LEAST, FIRST_SLOWEST * past.slowest)
        return Silence(Phase.FIRST_STEPS, since, min(learned, limits.stall_after))
    return Silence(Phase.STEADY, since, _steady(past, limits), learned=True)


def _aside(phase: Phase, since: int, longest: int, first: int) -> Silence:
    return Silence(phase, since, 3 * longest if longest else first, learned=longest > 0)


def _steady(past: pace.Pace, limits: StallLimits) -> int:
    learned = max(STEADY_AT_LEAST, STEADY_USUAL * pace.usual(past.gaps), STEADY_LONGEST * past.longest)
    return min(learned, max(limits.stall_after, 2 * pace.median(past.gaps)))


def _observed(job: Job, found: Silence | None, now: int, *, firing: bool) -> Observed:
    if _hangs_by_its_own_word(job):
        return Severity.WARNING
    if found is None:
        return None
    if now >= found.ends_at:
        return Severity.INFO if found.note else Severity.WARNING
    # Whoever began to look after the alert went out does not know yet whether anything moves.
    unknown = job.pace.moved_at is not None and found.since > job.pace.moved_at and not job.pace.aside
    # What showed a hang may show something else by now: the same silence is told once.
    same = now - found.since >= standstill.shortest(job.pace, steady=found.phase is Phase.STEADY)
    return MISSING if firing and (unknown or same) else None


def _hangs_by_its_own_word(job: Job) -> bool:
    incident = job.incident
    return incident is not None and rooted(incident) and cause(incident).kind is FindingKind.STALL


def _condition(job: Job, found: Silence | None, seen: Standstill, node: str, now: int) -> Condition:
    advice = standstill.advice(seen, now) or (ADVICE.get(found.phase) if found is not None else None)
    return Condition(
        type=AlertType.TIMEOUT_WARNING,
        identity=identity(job, node),
        title=_title(found),
        message=f"{_message(job, found, now)} {standstill.sentences(seen, now)}".strip(),
        labels={"job": job.id, "job_name": job.name},
        advice=advice,
        job=job_snapshot(job, now),
        job_id=job.id,
        evidence=_evidence(job),
    )


def _evidence(job: Job) -> tuple[str, ...]:
    return (cause(job.incident).text,) if job.incident is not None and _hangs_by_its_own_word(job) else ()


def _title(found: Silence | None) -> str:
    if found is not None and found.phase is Phase.FINISHING:
        return "Training finished but the program did not end"
    if found is not None and found.note:
        return "Training is still preparing"
    if found is not None and found.hangs:
        return "Training hangs"
    return "Training makes no progress"


def _message(job: Job, found: Silence | None, now: int) -> str:
    if _hangs_by_its_own_word(job):
        return f"{job.name} says that it hangs{_where(job)}."
    if found is None:
        return ""
    silent = text.duration(now - found.since)
    if found.phase is Phase.FINISHING:
        return f"{job.name} said {silent} ago that training is complete, but its process still runs and holds its GPUs."
    if found.note:
        return f"{job.name} has been preparing for {silent} and has made no step yet; its log still moves."
    told = f"{job.name} has made no step for {silent}{_where(job)}."
    if found.hangs:
        return told
    why = ", learned from this job" if found.learned else ""
    return f"{told} Phase: {found.phase}, in which {text.duration(found.limit)} are tolerated{why}."


def _where(job: Job) -> str:
    step, total = job.progress.step, job.progress.total
    return "" if step is None else f" since step {text.steps(step, total)}"


ADVICE = {
    Phase.STARTING: "Look at what the program waits for: data, a model to download, other nodes. "
    "A slow start is set with `[jobs] warmup`.",
    Phase.PREPARING: "Look at the data preparation; a slow start is set with `[jobs] warmup`.",
    Phase.FIRST_STEPS: "The first steps may compile; if nothing does, look for a rank that is missing.",
    Phase.STEADY: "Look for a rank that is missing or a storage that hangs: `py-spy dump --pid PID` shows it.",
    Phase.EVALUATION: "Look at the evaluation: its data, or a rank that does not take part.",
    Phase.CHECKPOINT: "Look at the storage that the checkpoint goes to.",
    Phase.FINISHING: "Look for a process that does not end: a data loader, a logger, another rank.",
}
"""What to look at first, by phase."""
