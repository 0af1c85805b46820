"""What a finished log comes to: which errors were survived, what the cause was, how the run ended.

Offline, order in the file is not time: standard output may be buffered past standard error. So a survived error is
known by steps beyond all that were shown before it, and text that nobody survives overrules order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.core import incidents
from agent.core.facts import FindingKind, LogFinding, Progress, Role
from agent.core.job import NOTHING_YET, JobState
from agent.core.model import Severity


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a log's last run came out. `findings` are those handed in; survived ones have become info."""

    state: JobState
    reason: FindingKind | None
    framework: str | None
    findings: tuple[LogFinding, ...]


def judge(findings: Sequence[LogFinding], progress: Progress | None) -> Verdict:
    """Judge findings in the order of the file. `progress` is what the log shows last."""
    last = (progress or NOTHING_YET).step
    shown = tuple(_recovered(item) if _survived(item, last) else item for item in findings)
    named = (item.facts["framework"] for item in shown if "framework" in item.facts)
    framework = (progress or NOTHING_YET).framework or next(named, None)
    roots = [item for item in shown if item.role is Role.ROOT and "recovered" not in item.facts]
    if roots:
        root = min(roots, key=lambda item: incidents.PRECEDENCE.index(item.kind))
        state = JobState.CANCELLED if root.kind is FindingKind.CANCELLED else JobState.FAILED
        return Verdict(state, root.kind, framework, shown)
    completed = any(item.kind is FindingKind.COMPLETED for item in shown)
    return Verdict(JobState.COMPLETED if completed else JobState.UNKNOWN, None, framework, shown)


def _survived(finding: LogFinding, last: int | None) -> bool:
    if finding.role is not Role.ROOT or finding.final or last is None:
        return False
    return last >= ((finding.progress or NOTHING_YET).step or 0) + incidents.SURVIVAL_STEPS


def _recovered(finding: LogFinding) -> LogFinding:
    return replace(finding, severity=Severity.INFO, facts={**finding.facts, "recovered": True})
