"""From an alert to a channel-neutral message: what to say, before any channel decides how to show it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

from agent.core import chart as charts
from agent.core import report_text
from agent.core.chart import Chart
from agent.core.clock import MINUTE, SECOND, unset
from agent.core.local_time import local
from agent.core.model import TYPES, Alert, AlertType, Json, Link, NotificationKind, Severity, Status
from agent.core.presentable import VALUE_LIMIT, presentable
from agent.core.recurrence import Recurrence, with_recurrence
from agent.core.redact import Redactor
from agent.core.references import NOTHING_KNOWN, References
from agent.core.table import Table
from agent.core.text import cut, duration, loss, paragraph, size, steps, tail_lines

LATE = 5 * MINUTE
"""A message that comes later than this after its cause says when it happened."""

EVIDENCE_LINES, EVIDENCE_LIMIT = 20, 2_000
PLAIN_LINES, PLAIN_LIMIT = 5, 500
"""Evidence in the plain fallback, which must be short enough for any provider."""


@dataclass(frozen=True, slots=True)
class Message:
    """One notification ready to be rendered; texts are plain, unescaped, redacted and free of control characters."""

    alert: Alert
    kind: NotificationKind
    reason: str
    """The contract's `notification_reason`, for example "first notification"."""
    severity: Severity
    status: Status
    emoji: str
    title: str
    """The headline without emoji."""
    body: str
    """One paragraph; may be empty."""
    facts: tuple[tuple[str, str], ...]
    """Label and value, in the order to show: Model, Duration, Final loss, Steps, Node, GPUs, Error."""
    evidence: tuple[str, ...]
    advice: str | None
    links: tuple[Link, ...]
    footer: str
    """The job's id (else the alert's), the node, and marks such as "test" or "may repeat"."""
    at: int
    """When it was sent, UTC milliseconds."""
    clock_zone: tzinfo = UTC
    """The zone of the clocks by which people read times of day."""
    plain: bool = False
    """Asked for the short fallback: no markup, truncated."""
    references: References = NOTHING_KNOWN
    """What the provider called earlier things that this message may go on from."""
    members: tuple[Alert, ...] = ()
    """What a digest tells of, the most telling first, for programs; its lines for people are the evidence."""
    left_out: int = 0
    """How many more a digest is about."""

    tables: tuple[Table, ...] = ()
    """The whole of a report, for mails; its evidence is what a chat can take of it."""
    chart: Chart | None = None
    """What led to the alert, for a channel that takes pictures."""

    @property
    def headline(self) -> str:
        """Emoji and title."""
        return f"{self.emoji} {self.title}"


def compose(
    alert: Alert, kind: NotificationKind, *, now: int, reason: str, node: str, redactor: Redactor,
    clock_zone: tzinfo = UTC, uncertain: bool = False, plain: bool = False, references: References = NOTHING_KNOWN,
    include_paths: bool = False, chart: Chart | None = None, recurrence: Recurrence | None = None,
) -> Message:  # fmt: skip
    """Say what `alert` has to say at `now` (UTC milliseconds); times of day are told in `clock_zone`.

    `uncertain`: an earlier attempt may have arrived, so the text says that it may repeat. The message's `alert` is
    the presentable form, so that a channel may show any part of it.
    """
    shown = presentable(_as_told(alert, kind), redactor, include_paths=include_paths)
    shown = with_recurrence(shown, recurrence)
    lines, limit = (PLAIN_LINES, PLAIN_LIMIT) if plain else (EVIDENCE_LINES, EVIDENCE_LIMIT)
    evidence = tail_lines(shown.evidence, limit, most=lines)
    shown = replace(shown, evidence=evidence, labels={"node": node, **shown.labels})
    known = _facts(shown, node)
    return Message(
        alert=shown,
        kind=kind,
        reason=reason,
        severity=shown.severity,
        status=shown.status,
        emoji=emoji_of(shown),
        title=f"Resolved: {shown.title}" if shown.status is Status.RESOLVED else shown.title,
        body=paragraph(*_sentences(shown, kind, now, clock_zone)),
        facts=tuple((label, cut(value, VALUE_LIMIT)) for label, value in known if value and value.strip()),
        evidence=evidence,
        advice=shown.advice,
        links=shown.links,
        footer=_footer(shown, kind, node, now, uncertain=uncertain),
        at=now,
        clock_zone=clock_zone,
        plain=plain,
        tables=() if plain or shown.report is None else tuple(report_text.tables(shown.report, clock_zone)),
        references=references,
        chart=None if plain or chart is None else charts.cleaned(chart, redactor.clean),
    )


def fallback(
    alert: Alert, kind: NotificationKind, *, now: int, reason: str, node: str, uncertain: bool = False,
    references: References = NOTHING_KNOWN, recurrence: Recurrence | None = None,
) -> Message:  # fmt: skip
    """Say the least, for when `compose` fails on odd data: it reads nothing that could be odd."""
    alert = _as_told(alert, kind)
    headline = TYPES[alert.type].headline
    bare = Alert(
        alert.id, alert.type, alert.fingerprint, alert.status, alert.severity, headline, "", alert.starts_at,
        labels={"node": node}, job_id=alert.job_id,
    )  # fmt: skip
    bare = with_recurrence(bare, recurrence)
    return Message(
        alert=bare,
        kind=kind,
        reason=reason,
        severity=alert.severity,
        status=alert.status,
        emoji=emoji_of(bare),
        title=f"Resolved: {headline}" if alert.status is Status.RESOLVED else headline,
        body=f"{bare.message} The details could not be put into words: see `gpuwarden explain {alert.id}`.".lstrip(),
        facts=(("Node", node),),
        evidence=(),
        advice=None,
        links=(),
        footer=_footer(bare, kind, node, now, uncertain=uncertain),
        at=now,
        plain=True,
        references=references,
    )


def _as_told(alert: Alert, kind: NotificationKind) -> Alert:
    """A one-shot alert that a channel holds open is over for that channel once it is told so."""
    over = kind is NotificationKind.RESOLVED and alert.status is Status.EVENT
    return replace(alert, status=Status.RESOLVED) if over else alert


def emoji_of(alert: Alert) -> str:
    """The sign that stands before the alert's title."""
    if alert.status is Status.RESOLVED:
        return "✅"
    if alert.type is AlertType.JOB_COMPLETED and alert.severity > Severity.INFO:
        return "⚠️"  # a tick would say more than is known
    return TYPES[alert.type].emoji


def _sentences(alert: Alert, kind: NotificationKind, now: int, zone: tzinfo) -> Iterator[str]:
    if kind is NotificationKind.TEST or alert.test:
        yield "This is a test."
    if alert.message:
        yield alert.message
    unverified = alert.job is not None and alert.job.get("verified") is False and alert.status is Status.EVENT
    if unverified and "unverified" not in alert.message.lower():
        yield "Unverified: the end was inferred."
    if kind is NotificationKind.ESCALATED:
        yield f"The severity rose to {alert.severity}."
    yield from _timing(alert, kind, now, zone)


def _timing(alert: Alert, kind: NotificationKind, now: int, zone: tzinfo) -> Iterator[str]:
    """Say when it happened, where the moment of telling does not say so by itself."""
    fired = moment(alert.starts_at, now, zone)
    if alert.status is Status.RESOLVED and alert.ends_at is not None:
        late = kind is NotificationKind.FIRED or now - alert.ends_at > LATE
        length = "delivery was delayed" if late else f"after {duration(alert.ends_at - alert.starts_at)}"
        yield f"Fired {fired}, resolved {moment(alert.ends_at, now, zone)} ({length})."
    elif now - alert.starts_at <= LATE or kind is NotificationKind.TEST:
        return
    elif alert.status is Status.FIRING:
        yield f"Fired {fired}, still firing after {duration(now - alert.starts_at)}."
    elif alert.status is Status.EVENT and kind is not NotificationKind.REPORT:
        yield f"Happened {fired} (told late)."


def moment(at: int, now: int, zone: tzinfo) -> str:
    """Write an instant as time of day, with its date unless that is today's; both in UTC milliseconds."""
    then, today = local(at, zone), local(now, zone)
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M}"


def _facts(alert: Alert, node: str) -> Iterator[tuple[str, str | None]]:
    """List what is known, in the contract's order; what is not known is left out by the caller."""
    job: Mapping[str, Json] = alert.job or {}
    yield "Model", _text(job.get("model"))
    yield "Job", _text(job.get("name")) if job.get("name") != job.get("model") else None
    yield "Command", _text(job.get("command"))
    yield "User", _text(job.get("user"))
    if job.get("duration_seconds") is not None:
        yield "Duration", duration(job["duration_seconds"] * SECOND)
    if job.get("loss") is not None:
        yield "Loss" if job.get("state") == "running" else "Final loss", loss(job["loss"])
    if job.get("step") is not None:
        yield "Steps", steps(job["step"], job.get("total_steps"))
    yield "Node", node
    yield "GPUs", _gpus(job.get("gpus"))
    yield from _gpu_facts(alert.gpu or {})
    yield from _disk_facts(alert.disk or {})
    yield "Error", _text(job.get("error"))
    yield from alert.fields.items()


def _gpus(found: Json) -> str | None:
    if not found:
        return None
    return ", ".join(str(gpu.get("index", gpu.get("uuid"))) if isinstance(gpu, Mapping) else str(gpu) for gpu in found)


def _gpu_facts(gpu: Mapping[str, Json]) -> Iterator[tuple[str, str | None]]:
    known = [_text(gpu.get(key)) for key in ("index", "name", "uuid")]
    yield "GPU", " · ".join(part for part in known if part)


def _disk_facts(disk: Mapping[str, Json]) -> Iterator[tuple[str, str | None]]:
    yield "Mount", _text(disk.get("mountpoint"))
    if disk.get("used_percent") is not None:
        yield "Used", f"{disk['used_percent']:.1f} %"
    if disk.get("free_bytes") is not None:
        yield "Free", size(disk["free_bytes"])
    if disk.get("full_in_seconds") is not None:
        yield "Full in", duration(disk["full_in_seconds"] * SECOND)


def _text(value: Json) -> str | None:
    return None if value is None else str(value)


def _footer(alert: Alert, kind: NotificationKind, node: str, now: int, *, uncertain: bool) -> str:
    marks = [alert.job_id or alert.id, node]
    if alert.test or kind is NotificationKind.TEST:
        marks.append("test")
    if uncertain:
        marks.append("may repeat")
    if unset(now):
        marks.append("clock not set")
    return " · ".join(marks)
