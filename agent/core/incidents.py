"""What went wrong in a job: findings gathered over a short window, the earliest root among them, and survival.

The last error of a log is rarely its cause, and order in a file is not time, so nothing is judged from one line.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent.core.clock import SECOND
from agent.core.facts import FindingKind, LogFinding, Role
from agent.core.job import Incident

WINDOW = 60 * SECOND
"""The survival wait: how long an error may still turn out to have been caught."""
TOGETHER = 5 * SECOND
"""Roots seen within this time of the first compete by precedence instead of order."""
FINDINGS_KEPT = 32
SAME_START = 200
"""Characters at the start of two lines that make them one."""
SURVIVAL_STEPS = 2
"""Steps beyond those before the error that prove the program went on."""

PRECEDENCE: Sequence[FindingKind] = (
    FindingKind.XID,
    FindingKind.GPU_OOM,
    FindingKind.DISK_FULL,
    FindingKind.NAN_LOSS,
    FindingKind.CRASH,
    FindingKind.STALL,
    FindingKind.HOST_OOM,
    FindingKind.CANCELLED,
)
"""Which of several roots names the cause: the more specific first. A confirmed host OOM outranks a GPU's."""


def add(incident: Incident | None, finding: LogFinding, at: int, step: int | None) -> Incident | None:
    """Take a finding in. Only a root opens an incident; fallout, advice and confirmations join one.

    `step` is the job's step before the finding. The first findings are kept, since the cause is among them.
    """
    if incident is None:
        if finding.role is not Role.ROOT:
            return None
        return Incident(opened_at=at, opened_step=step, findings=(finding,), seen_at=(at,))
    if len(incident.findings) >= FINDINGS_KEPT:
        return incident
    return replace(incident, findings=(*incident.findings, finding), seen_at=(*incident.seen_at, at))


def survived(incident: Incident, step: int | None) -> bool:
    """Whether the step has since moved beyond those before the error. Text that nobody survives overrules it."""
    if step is None or any(item.final for item in incident.findings):
        return False
    return step >= (incident.opened_step or 0) + SURVIVAL_STEPS


def cause(incident: Incident) -> LogFinding:
    """Name the root: the most specific of those seen together first, unless a cancellation came before all others."""
    roots = [
        (finding, at)
        for finding, at in zip(incident.findings, incident.seen_at, strict=True)
        if finding.role is Role.ROOT
    ]
    first, first_at = roots[0]
    if first.kind is FindingKind.CANCELLED:
        return first
    together = [finding for finding, at in roots if at <= first_at + TOGETHER]
    return min(together, key=_rank)


def is_final(incident: Incident) -> bool:
    """Whether some text says that nothing goes on."""
    return any(item.final for item in incident.findings)


def exception_line(incident: Incident) -> str | None:
    """The last line of the traceback that tells the cause, else the cause itself; None for a cancellation."""
    root = cause(incident)
    if root.kind is FindingKind.CANCELLED:
        return None
    return root.text


def evidence(incident: Incident, limit: int = 20) -> tuple[str, ...]:
    """The most telling lines: the cause with its context, then what else was said, without repeats."""
    root = cause(incident)
    others = (finding.text for finding in incident.findings if finding.role is not Role.ADVICE)
    lines: dict[str, str] = {}
    for line in (*root.context, root.text, *others):
        start = line[:SAME_START]  # one line may come cut here and whole there: the whole one is shown
        lines[start] = max(lines.get(start, ""), line, key=len)
    return tuple(lines.values())[:limit]


def _rank(finding: LogFinding) -> int:
    confirmed_host_oom = finding.kind is FindingKind.HOST_OOM and finding.facts.get("grade") == "confirmed"
    return 0 if confirmed_host_oom else PRECEDENCE.index(finding.kind)
