"""What a finished log comes to: which errors were survived, what the cause was, how its last run ended.

Offline, order in the file is not time: standard output may be buffered past standard error. So a survived error is
known by steps beyond all that were shown before it, and a fatal end overrules order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.core import incidents
from agent.core.facts import FindingKind, LogFinding, Progress, Role
from agent.core.incidents import Seen
from agent.core.job import NOTHING_YET, JobState
from agent.core.model import Severity
from agent.core.outcome import ends_a_run, state_of
from agent.core.patterns import Marker

CAUSE_WITHIN = 262_144
"""Bytes before a report of some end within which an uncaught error is what it reports."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a run begins in a log, and the first progress that it shows."""

    offset: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Contents:
    """What a finished log holds, in the order of the file. `full`: its last words are a full last bar; `marker`: the
    framework that its words name.
    """

    findings: Sequence[LogFinding]
    begun: Sequence[Begun] = ()
    progress: Progress = NOTHING_YET
    size: int = 0
    full: bool = False
    marker: Marker | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a log's last run came out. `findings` are those handed in; survived ones have become info."""

    state: JobState
    reason: FindingKind | None
    framework: str | None
    findings: tuple[LogFinding, ...]


def judge(log: Contents) -> Verdict:
    """Judge a finished log."""
    past = [_is_past(log, number) for number in range(len(log.findings))]
    present = [item for item, gone in zip(log.findings, past, strict=True) if not gone]
    root = _root(log, present)
    if root is None:
        state, reason = _state_without_cause(log), None
    else:
        completed = not ends_a_run(root) and _state_without_cause(log) is JobState.COMPLETED
        state = JobState.COMPLETED if completed else _state(root, present)
        reason = root.kind
    shown = tuple(
        _as_survived(item) if gone or reason is None else item for item, gone in zip(log.findings, past, strict=True)
    )
    return Verdict(state, reason, _framework(log), shown)


def _root(log: Contents, present: Sequence[LogFinding]) -> LogFinding | None:
    """The cause of the last run's end among the findings that are not past."""
    roots = [number for number, item in enumerate(present) if item.role is Role.ROOT]
    if not roots:
        return None
    # What training outlived did not end it, be it true or not.
    last = present[roots[-1]]
    lasting = [number for number in roots if not _outlived(present[number], last)]
    root = incidents.choose([Seen(item) for item in present[_begin(present, lasting[0]) :]])
    if root.doubt != incidents.SURE:
        fatal = [item for item in log.findings if item.facts.get("uncaught") and item.kind is not FindingKind.CANCELLED]
        near = [item for item in fatal if 0 <= root.offset - item.offset <= CAUSE_WITHIN and item.role is Role.ROOT]
        root = incidents.choose([*map(Seen, near), Seen(root)]) if near else root
    return None if root.doubt != incidents.SURE and _completed_after(log, root) else root


def _begin(present: Sequence[LogFinding], first: int) -> int:
    """Where the incident of a root begins: a batch that was skipped right before it belongs to it."""
    while first > 0 and present[first - 1].facts.get("skipped") and not _outlived(present[first - 1], present[first]):
        first -= 1
    return first


def _outlived(finding: LogFinding, last: LogFinding) -> bool:
    if finding.kind is FindingKind.NAN_LOSS and last.kind is FindingKind.CANCELLED:
        return False  # whoever stops a run whose loss is no number stops it for that
    return incidents.beyond(finding.progress or NOTHING_YET, last.progress or NOTHING_YET)


def _is_past(log: Contents, number: int) -> bool:
    """Whether an error was survived, or belongs to a run before the last."""
    finding = log.findings[number]
    if finding.role is not Role.ROOT:
        return False
    before, later = finding.progress or NOTHING_YET, log.findings[number + 1 :]
    if finding.kind is FindingKind.NAN_LOSS and not finding.facts.get("fatal"):
        mended = any(item.kind is FindingKind.NAN_LOSS and item.facts.get("recovered") for item in later)
        return mended or _before_another_run(log, number)
    if _before_another_run(log, number):
        return True
    shown = [*(item.progress or NOTHING_YET for item in later), log.progress]
    went_on = any(incidents.beyond(before, item) for item in shown)
    markers = [item for item in later if item.kind is FindingKind.COMPLETED]
    if markers:
        return went_on or _is_undone(finding, markers)
    if finding.kind not in incidents.SURVIVABLE:
        return False
    if not went_on or (_is_fatal(finding) and log.size - finding.offset <= incidents.BUFFERED):
        return False
    if finding.kind is FindingKind.NAN_LOSS and not incidents.is_mended(finding, log.progress):
        return False
    return not finding.final


def _is_undone(finding: LogFinding, markers: Sequence[LogFinding]) -> bool:
    """Whether a good end without further steps proves that an error was caught.

    Some programs say that training has ended however it ended; a framework says so only of a good end.
    """
    if _is_fatal(finding) or finding.doubt == incidents.REPORTS_AN_END:
        return False
    return finding.doubt == incidents.FOLLOWS or any("framework" in item.facts for item in markers)


def _before_another_run(log: Contents, number: int) -> bool:
    """Whether another run begins behind a finding.

    A second start counts if the first run had shown something: otherwise it may be the same run's, printed late.
    """
    finding = log.findings[number]
    seen = finding.progress is not None or any(item.kind is FindingKind.STARTED for item in log.findings[:number])
    started = any(item.kind is FindingKind.STARTED for item in log.findings[number + 1 :])
    return (seen and started) or _starts_over(log, finding)


def _starts_over(log: Contents, finding: LogFinding) -> bool:
    """Whether a run begins behind a finding with fewer steps than were shown before it."""
    before = (finding.progress or NOTHING_YET).step
    if before is None or finding.final:
        return False
    begun = (item.progress.step for item in log.begun if item.offset > finding.offset)
    return any(step is not None and step < before for step in begun)


def _is_fatal(finding: LogFinding) -> bool:
    return finding.final or bool(finding.facts.get("uncaught"))


def _state_without_cause(log: Contents) -> JobState:
    """How a run ended in which nothing went wrong: its marker, if no other run follows, or a full last bar."""
    markers = [number for number, item in enumerate(log.findings) if item.kind is FindingKind.COMPLETED]
    if markers and not _goes_on(log, markers[-1]):
        return JobState.COMPLETED
    return JobState.COMPLETED if log.full else JobState.UNKNOWN


def _goes_on(log: Contents, marker: int) -> bool:
    offset = log.findings[marker].offset
    started = any(item.kind is FindingKind.STARTED for item in log.findings[marker + 1 :])
    return started or any(item.offset > offset for item in log.begun)


def _completed_after(log: Contents, root: LogFinding) -> bool:
    """Whether a doubtful error is only what closing down after a good end says."""
    marker = next((item for item in log.findings if item.kind is FindingKind.COMPLETED), None)
    return marker is not None and marker.offset < root.offset and not root.final


def _state(root: LogFinding, present: Sequence[LogFinding]) -> JobState:
    if root.kind is FindingKind.NAN_LOSS and not ends_a_run(root):
        stopped = state_of(root, present)
        return stopped if stopped is JobState.CANCELLED else JobState.UNKNOWN
    return state_of(root, present)


def _framework(log: Contents) -> str | None:
    """Name what trains: by its numbers or markers, else by its words; what is built on another goes before that."""
    if log.marker is not None and log.marker.over:
        return log.marker.framework
    named = (item.facts["framework"] for item in log.findings if "framework" in item.facts)
    return log.progress.framework or next(named, None) or (log.marker.framework if log.marker is not None else None)


def _as_survived(finding: LogFinding) -> LogFinding:
    if finding.role is not Role.ROOT:
        return finding
    return replace(finding, severity=Severity.INFO, facts={**finding.facts, "recovered": True})
