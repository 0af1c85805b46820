"""What went wrong in a job: findings gathered over a short window, the earliest root among them, and survival.

The last error of a log is rarely its cause, and order in a file is not time, so nothing is judged from one line. The
live path and finished logs share what is here.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.core.clock import SECOND
from agent.core.facts import FindingKind, LogFinding, Progress, Role
from agent.core.job import Incident
from agent.core.model import Json, Severity

WINDOW = 60 * SECOND
"""The survival wait: how long an error may still turn out to have been caught."""
TOGETHER = 5 * SECOND
"""Roots seen within this time of the first compete by precedence instead of order."""
BUFFERED = 65_536
"""Bytes of a log within which what stands behind an error may have been printed before it: eight buffers of 8 KiB."""
FINDINGS_KEPT = 32
RANKS_KEPT = 64
SURVIVAL_STEPS = 2
"""Steps beyond those before the error that prove the program went on."""
SURE = 0
REPORTS_AN_END = 1
FOLLOWS = 2
"""The values of `LogFinding.doubt`."""

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
SURVIVABLE = frozenset(
    {FindingKind.GPU_OOM, FindingKind.HOST_OOM, FindingKind.CRASH, FindingKind.STALL, FindingKind.NAN_LOSS}
)
"""Kinds that steps show to have been survived. A write that failed, a broken GPU or a signal is true all the same."""

_PLACEHOLDERS = re.compile(r"0x[\da-fA-F]+|\d+|(?:[~/][\w.+-]*){2,}")


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding and when it was noticed, UTC milliseconds; None for a finished log, whose lines have no such time."""

    finding: LogFinding
    at: int | None = None


def opens(finding: LogFinding) -> bool:
    """Whether a finding may be the cause of something: only a root, and no note of the driver."""
    note = finding.kind is FindingKind.XID and finding.severity is Severity.INFO
    return finding.role is Role.ROOT and not note


def add(incident: Incident | None, finding: LogFinding, at: int, before: Progress) -> Incident | None:
    """Take a finding in. Only a root opens an incident; fallout, advice and confirmations join one.

    `before` is the job's progress before the finding. A skipped batch is kept too, since what crashes right after it
    mostly follows from it; so is what the kernel noted of a GPU. Equal lines of several ranks are one finding, and the
    first findings are kept, since the cause is among them.
    """
    if incident is None:
        if not (opens(finding) or finding.facts.get("skipped") or finding.facts.get("kernel")):
            return None
        return Incident(at, before.step, (finding,), (at,), opened_epoch=before.epoch)
    known = [_alike(item) for item in incident.findings]
    same = _alike(finding)
    if same in known:
        place = known.index(same)
        merged = _merged(incident.findings[place], finding)
        return replace(incident, findings=(*incident.findings[:place], merged, *incident.findings[place + 1 :]))
    if len(known) >= FINDINGS_KEPT:
        return incident
    return replace(incident, findings=(*incident.findings, finding), seen_at=(*incident.seen_at, at))


def rooted(incident: Incident | None) -> bool:
    """Whether an incident holds a cause, and not only what may still lead to one."""
    return incident is not None and any(map(opens, incident.findings))


def survived(incident: Incident, progress: Progress, *, apart: bool) -> bool:
    """Whether the job has since moved beyond the error, which therefore was caught.

    Text that nobody survives overrules steps. So does an exception that left the main program, unless the progress was
    surely written later (`apart`): standard output may be buffered past it.
    """
    if not lived_on(incident, progress, apart=apart):
        return False
    if not rooted(incident):
        return True
    root = cause(incident)
    return root.kind in SURVIVABLE and (root.kind is not FindingKind.NAN_LOSS or is_mended(root, progress))


def lived_on(incident: Incident, progress: Progress, *, apart: bool) -> bool:
    """Whether training moved on after the incident opened, whatever became of the trouble itself."""
    if is_final(incident) or not beyond(Progress(step=incident.opened_step, epoch=incident.opened_epoch), progress):
        return False
    return apart or not any(item.facts.get("uncaught") for item in incident.findings)


def is_mended(root: LogFinding, progress: Progress) -> bool:
    """Whether progress shows that a loss is a number again.

    Where records told of it, only the records tell of its end: some frameworks print 0.0 instead.
    """
    return bool(root.facts.get("fatal")) and progress.loss is not None and math.isfinite(progress.loss)


def mends(finding: LogFinding, incident: Incident) -> bool:
    """Whether a finding says that the trouble is over: a loss is a number again."""
    recovered = finding.kind is FindingKind.NAN_LOSS and bool(finding.facts.get("recovered"))
    return recovered and rooted(incident) and cause(incident).kind is FindingKind.NAN_LOSS


def beyond(before: Progress, after: Progress) -> bool:
    """Whether some progress lies clearly behind another: further steps, or the next epoch where steps begin again."""
    if after.step is not None and after.step >= (before.step or 0) + SURVIVAL_STEPS:
        return True
    return before.epoch is not None and after.epoch is not None and math.floor(after.epoch) > math.floor(before.epoch)


def cause(incident: Incident) -> LogFinding:
    """Name the root of an incident."""
    pairs = zip(incident.findings, incident.seen_at, strict=True)
    return choose([Seen(finding, at) for finding, at in pairs])


def choose(seen: Sequence[Seen]) -> LogFinding:
    """Name the cause among findings in their order, of which one at least must be a root.

    The most specific of those seen together first; but a cancellation that came before all others makes them its
    fallout, and what is suspected to be a kill for memory may be confirmed by others or explained by a cancellation.
    """
    roots = [item for item in seen if opens(item.finding)] or [item for item in seen if item.finding.role is Role.ROOT]
    confirmed = next((item.finding for item in roots if _is_confirmed(item.finding)), None)
    leading = next((item for item in roots if item.finding.doubt < FOLLOWS), roots[0]).finding
    if leading.kind is FindingKind.CANCELLED and not _overruled(leading, roots):
        return confirmed or leading
    found = min((item.finding for item in _together(roots)), key=_rank)
    if found.kind is FindingKind.HOST_OOM and not _is_confirmed(found):
        stopped = (item.finding for item in roots if item.finding.kind is FindingKind.CANCELLED)
        return confirmed or next((item for item in stopped if item.doubt == SURE), found)
    if found.kind in (FindingKind.CRASH, FindingKind.STALL):
        # A batch skipped on one rank for lack of memory leaves the others waiting or out of step.
        return next((item.finding for item in seen if item.finding.facts.get("skipped")), found)
    return found


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
    """The most telling lines: the cause with its context, then what else was said; what several ranks say, once."""
    root = cause(incident)
    others = (finding.text for finding in incident.findings if finding.role is not Role.ADVICE)
    lines: dict[str, str] = {}
    for line in (*root.context, root.text, *others):
        start = _normal(line)  # one line may come cut here and whole there: the whole one is shown
        lines[start] = max(lines.get(start, ""), line, key=len)
    return tuple(lines.values())[:limit]


def ranks(finding: LogFinding) -> tuple[int, ...]:
    """The ranks that said it."""
    known = finding.facts.get("ranks", () if finding.rank is None else (finding.rank,))
    return tuple(sorted(known))


def behind(findings: Iterable[LogFinding]) -> tuple[int, ...]:
    """The ranks whose last collective operation is further back than that of others: the suspects of a hang."""
    for finding in findings:
        positions: Mapping[str, int] = finding.facts.get("positions", {})
        if len(set(positions.values())) > 1:
            least = min(positions.values())
            return tuple(sorted(int(rank) for rank, position in positions.items() if position == least))
    return ()


def _together(roots: Sequence[Seen]) -> Sequence[Seen]:
    """Those that compete with the first: all where the first one names no cause, or where no times are known."""
    first = roots[0]
    if first.finding.doubt != SURE:
        return roots
    return [item for item in roots if _competes(first, item)]


def _competes(first: Seen, other: Seen) -> bool:
    written = first.finding.written_at, other.finding.written_at
    if written[0] is not None and written[1] is not None:
        return abs(written[1] - written[0]) <= TOGETHER
    if first.at is not None and other.at is not None:
        return abs(other.at - first.at) <= TOGETHER
    # Who hangs is ended: a crash that follows in the file is fallout.
    return not (first.finding.kind is FindingKind.STALL and other.finding.kind is FindingKind.CRASH)


def _overruled(cancelled: LogFinding, roots: Sequence[Seen]) -> bool:
    """Whether a signal that a process noticed was only its launcher's, after another process had died."""
    died = (item.finding for item in roots if item.finding.final and item.finding.doubt == SURE)
    return cancelled.doubt != SURE and any(item.kind is not FindingKind.CANCELLED for item in died)


def _rank(finding: LogFinding) -> tuple[int, int]:
    if _is_confirmed(finding):
        return 0, 0
    cancelled = finding.kind is FindingKind.CANCELLED and finding.doubt < FOLLOWS
    level = 1.5 if cancelled else finding.doubt
    return int(2 * level), PRECEDENCE.index(finding.kind)


def _is_confirmed(finding: LogFinding) -> bool:
    return finding.kind is FindingKind.HOST_OOM and finding.facts.get("grade") == "confirmed"


def _normal(text: str) -> str:
    """A line without what differs between ranks: numbers, addresses, paths."""
    return _PLACEHOLDERS.sub("#", text)[:200]


def _alike(finding: LogFinding) -> tuple[str, str, str]:
    return finding.kind, finding.role, _normal(finding.text)


def _merged(first: LogFinding, other: LogFinding) -> LogFinding:
    """Note the rank and position of one more that says the same."""
    told = {*ranks(first), *ranks(other)}
    facts: dict[str, Json] = dict(first.facts)
    if len(told) > 1:
        facts["ranks"] = sorted(told)[:RANKS_KEPT]
    positions = _position(first) | {
        rank: min(position, _position(first).get(rank, position)) for rank, position in _position(other).items()
    }
    if _position(other):
        facts["positions"] = positions
    return replace(first, facts=facts)


def _position(finding: LogFinding) -> dict[str, int]:
    """The last collective operation of each rank: `{"0": 96117}`."""
    known: Mapping[str, int] | None = finding.facts.get("positions")
    number = finding.facts.get("completed", finding.facts.get("seq"))
    rank = finding.facts.get("rank", finding.rank)
    if known is not None:
        return dict(known)
    return {str(rank): number} if isinstance(number, int) and rank is not None else {}
