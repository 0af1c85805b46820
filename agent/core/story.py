"""The chain of one alert in plain words: what was seen, and for each channel why it was, or was not, told.

Pure: values in, lines out. The alert must be presentable already; nothing here is cleaned or cut.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from agent.core.local_time import local
from agent.core.model import Alert, Attempt, Decision, Delivery, DeliveryState, NotificationKind, Status
from agent.core.policy.affected import FIELD
from agent.core.policy.owed import DROPPED
from agent.core.reasons import NEWER, words
from agent.core.text import duration

Entry = tuple[int, str]
"""A moment in UTC milliseconds, and what happened then."""

NO_DIGESTS: Mapping[str, Delivery] = {}
NOBODY = "No channel has been asked: the alert is recorded, and none was configured or none has been considered yet."

_KINDS = {
    NotificationKind.FIRED: "the alert",
    NotificationKind.ESCALATED: "the rise in severity",
    NotificationKind.REPEATED: "the reminder",
    NotificationKind.RESOLVED: "the end",
    NotificationKind.DIGEST: "the digest",
    NotificationKind.REPORT: "the report",
    NotificationKind.TEST: "the test",
}


def tell(
    alert: Alert, decisions: Sequence[Decision], deliveries: Sequence[Delivery], attempts: Sequence[Attempt],
    zone: tzinfo, digests: Mapping[str, Delivery] = NO_DIGESTS,
) -> list[str]:  # fmt: skip
    """Tell the whole chain; times of day are those of `zone`. Decisions, rows and attempts are in their own order.

    `digests`: the deliveries that tell some of the rows together with others, by id.
    """
    channels = dict.fromkeys(item.channel for item in decisions if item.channel is not None)
    channels |= dict.fromkeys(row.channel for row in deliveries)
    lines = [*heading(alert, zone), *_at(_course(alert, decisions), zone)]
    for channel in channels:
        rows = [row for row in deliveries if row.channel == channel]
        lines += ["", _channel_title(channel, rows)]
        lines += _at(_told(channel, decisions, rows, attempts, zone), zone)
        lines += [f"  {line}" for row in rows for line in _standing(row, digests, zone)]
    return lines if channels else [*lines, "", NOBODY]


def heading(alert: Alert, zone: tzinfo) -> list[str]:
    """Say which alert this is, and by which clock its story is told."""
    return [f"{alert.title} ({alert.severity} {alert.type})", f"Alert {alert.id}; times are {zone}."]


def clock(at: int, zone: tzinfo) -> str:
    """Write UTC milliseconds as date and time of day in `zone`, to the second."""
    return f"{local(at, zone):%Y-%m-%d %H:%M:%S}"


def _at(entries: Iterable[Entry], zone: tzinfo) -> list[str]:
    return [f"  {clock(at, zone)}  {text}" for at, text in sorted(entries, key=lambda entry: entry[0])]


def _course(alert: Alert, decisions: Iterable[Decision]) -> Iterator[Entry]:
    """What happened, whoever was told of it."""
    yield alert.starts_at, f"Seen: {_cause(alert)}"
    noticed = min((item.at for item in decisions), default=alert.starts_at)
    verb = "Recorded" if alert.status is Status.EVENT else "Fired"
    yield noticed, f"{verb} on {alert.labels.get('node', 'this node')}."
    risen = [item.at for item in decisions if item.kind is NotificationKind.ESCALATED]
    if risen:
        yield min(risen), f"The severity rose to {alert.severity}."
    if FIELD in alert.fields:
        yield noticed, f"{FIELD}: {alert.fields[FIELD]}."
    if alert.ends_at is not None:
        yield alert.ends_at, f"Resolved after {duration(alert.ends_at - alert.starts_at)}."


def _cause(alert: Alert) -> str:
    """The line that tells most: a job's last error, else the evidence, else the message."""
    error = (alert.job or {}).get("error")
    if error:
        return str(error)
    return alert.evidence[-1] if alert.evidence else alert.message or alert.title


def _channel_title(channel: str, rows: Sequence[Delivery]) -> str:
    return f"{channel} ({rows[-1].channel_type})" if rows else channel


def _told(
    channel: str, decisions: Iterable[Decision], rows: Sequence[Delivery], attempts: Iterable[Attempt], zone: tzinfo
) -> Iterator[Entry]:
    for decision in decisions:
        if decision.channel in (channel, None):
            yield decision.at, _capital(verdict(decision, zone))
    by_id = {row.id: row for row in rows}
    for attempt in attempts:
        if attempt.delivery_id in by_id:
            yield attempt.started_at, tried(attempt, by_id[attempt.delivery_id], zone)


def verdict(decision: Decision, zone: tzinfo) -> str:
    """Say what was decided about one notification."""
    what = _KINDS[decision.kind]
    if decision.verdict == "send":
        return f"{what} is sent: {decision.reason}."
    until = f" until {clock(decision.until, zone)}" if decision.until is not None else ""
    if decision.verdict == "merge":
        return f"{what} is told together with others: {words(decision.reason)}."
    if decision.verdict == "defer":
        latest = " at the latest" if decision.reason == "rate_limit" else ""  # room may come sooner
        return f"{what} is held back{until}{latest}: {words(decision.reason)}."
    return f"{what} is not sent: {words(decision.reason)}{until}."


def tried(attempt: Attempt, row: Delivery, zone: tzinfo) -> str:
    """Say what became of one attempt."""
    goal = "" if row.kind is NotificationKind.FIRED else f" at {_KINDS[row.kind]}"
    name = f"Attempt {attempt.n}{goal}"
    if attempt.outcome == "delivered":
        status = f" (status {attempt.status})" if attempt.status is not None else ""
        return f"{name} was accepted{status}."
    if attempt.outcome is None:
        return f"{name} is under way."
    text = f"{name} {_FAILURES.get(attempt.outcome, attempt.outcome)}"
    if attempt.error:
        text += f": {attempt.error.rstrip('.')}"
    last = attempt.n == row.attempts and row.state is DeliveryState.QUEUED
    return f"{text}. The next one is due at {clock(row.next_at, zone)}." if last else f"{text}."


_FAILURES = {
    "retry": "failed",
    "limited": "met the provider's limit",
    "rejected": "was refused as it is",
    "misconfigured": "was refused, and will be until the configuration changes",
    "uncertain": "got no answer, so the message may have arrived",
    "unknown": "was cut short by the end of the agent, so the message may have arrived",
    "too_old": "was not made, since the message is too old",
    "undecodable": "was not made, since the row cannot be read",
}


def _standing(row: Delivery, digests: Mapping[str, Delivery], zone: tzinfo) -> Iterator[str]:
    """How a delivery stands now, where the decisions and attempts above do not already say so."""
    what = _capital(_KINDS[row.kind])
    match row.state:
        case DeliveryState.DELIVERED if row.delivered_at is not None:
            reference = f" as the provider's {row.provider_ref}" if row.provider_ref else ""
            yield f"{what} was delivered at {clock(row.delivered_at, zone)}{reference}."
        case DeliveryState.DEAD:
            yield f"{what} was given up: {words(row.reason or 'dead')}. To try again: gpuwarden queue retry {row.id}"
        case DeliveryState.QUEUED if not row.attempts:
            yield f"{what} waits to be sent."
        case DeliveryState.SUPPRESSED if row.reason == DROPPED:
            yield f"{what} is not sent: {words(DROPPED)}."
        case DeliveryState.SUPERSEDED if (row.reason or "").startswith(NEWER):
            yield f"{what} is not sent by itself: {words(row.reason or NEWER)}."
        case DeliveryState.DIGESTED:
            digest = digests.get(row.merged_into or "")
            at = f" at {clock(digest.delivered_at, zone)}" if digest is not None and digest.delivered_at else ""
            yield f"{what} was told as part of a digest{at}."
        case DeliveryState.DEFERRED if (mark := row.merged_into or "") in digests:
            yield f"{what} is told by the digest {mark}, which {_progress(digests[mark], zone)}."
        case _:
            return


def _progress(digest: Delivery, zone: tzinfo) -> str:
    if digest.attempts:
        return f"was tried {digest.attempts} times and is due again at {clock(digest.next_at, zone)}"
    return "waits to be sent"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
