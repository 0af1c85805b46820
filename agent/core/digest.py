"""Many alerts in one message: what was held back, told together once it may be.

The lines for people are the message's evidence, so that a channel shows a digest as it shows any other message.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import TypeVar

from agent.core.clock import HOUR, SECOND
from agent.core.message import Message, emoji_of, moment
from agent.core.model import TYPES, Alert, Hold, NotificationKind, Status
from agent.core.presentable import presentable
from agent.core.recurrence import Recurrence, with_recurrence
from agent.core.redact import Redactor
from agent.core.text import cut, duration, loss

T = TypeVar("T")

MOST_MEMBERS = 20
"""Alerts that a digest lists (R-6.4); how many more there are is said."""
LINE_LIMIT, LINES_LIMIT = 160, 2_000
"""Characters of one line and of all of them: no channel has to cut them any further."""
PLAIN_LINES, PLAIN_LIMIT = 5, 500
SHARE_OF_A_CAUSE = 0.5
"""How much of a digest must have something in common for that to be called the likely cause."""
PLACES = ("gpu_uuid", "mountpoint", "job", "log_source", "channel", "component")
"""Labels that say where trouble is, the narrowest first."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a digest is about. Times in UTC milliseconds; `id` is that of its delivery."""

    id: str
    alerts: Sequence[Alert]
    """As they stand now, in the order in which they were to be told."""
    why: Hold | None
    """For what they were held back; None if not all for the same."""
    since: int
    until: int
    """When the last of them could be told at last."""
    recurrences: Mapping[str, Recurrence] = field(default_factory=dict)
    """How often conditions came and went, by the id of the alert that tells of them."""


def compose_digest(
    digest: Digest, *, now: int, reason: str, node: str, redactor: Redactor, clock_zone: tzinfo = UTC,
    uncertain: bool = False, plain: bool = False, include_paths: bool = False,
) -> Message:  # fmt: skip
    """Say at `now` (UTC milliseconds) what the digest's alerts have come to, what still fires first."""
    ranked = _ranked(digest.alerts)
    ranked[MOST_MEMBERS:] = map(_bare, ranked[MOST_MEMBERS:])
    shown = [presentable(alert, redactor, include_paths=include_paths) for alert in ranked]
    shown = [replace(alert, labels={"node": node, **alert.labels}) for alert in shown]
    shown = [with_recurrence(alert, digest.recurrences.get(alert.id)) for alert in shown]
    lines = _lines(shown, digest.recurrences, now, clock_zone, plain=plain)
    about = _about(digest, shown, node)
    marks = [digest.id, node, *(["may repeat"] if uncertain else [])]
    return Message(
        alert=about,
        kind=NotificationKind.DIGEST,
        reason=reason,
        severity=about.severity,
        status=about.status,
        emoji="✅" if about.status is Status.RESOLVED else "🗂️",
        title=about.title,
        body=" ".join(_sentences(digest, shown, now, clock_zone)),
        facts=() if plain else tuple(_facts(shown, node)),
        evidence=lines,
        advice=f"All of them: gpuwarden history --since {_back(now - digest.since)}",
        links=(),
        footer=" · ".join(marks),
        at=now,
        clock_zone=clock_zone,
        plain=plain,
        members=tuple(shown[:MOST_MEMBERS]),
        left_out=max(0, len(shown) - MOST_MEMBERS),
    )


def likely_cause(alerts: Sequence[Alert]) -> str | None:
    """What most of the alerts have in common: their place, else their type. None if there is no such thing."""
    enough = max(2, SHARE_OF_A_CAUSE * len(alerts))
    place = _commonest((name, alert.labels[name]) for alert in alerts for name in PLACES if name in alert.labels)
    if place is not None and place[1] >= enough:
        (name, value), count = place
        there = [alert for alert in alerts if alert.labels.get(name) == value]
        return f"{count} of {len(alerts)} are about {name} {value}; {_gravest(there)}"
    kind, count = _commonest(alert.type for alert in alerts) or ("", 0)
    if count >= enough:
        return f"{count} of {len(alerts)} are {kind}; {_gravest(alert for alert in alerts if alert.type == kind)}"
    return None


def _gravest(alerts: Iterable[Alert]) -> str:
    first = min(alerts, key=lambda alert: (-alert.severity, alert.starts_at))
    return f"the first of the gravest is: {first.title}"


def _ranked(alerts: Sequence[Alert]) -> list[Alert]:
    """Each alert once, as it was told of last: what fires first, then by severity, the newest first."""
    once = {alert.id: alert for alert in alerts}
    return sorted(once.values(), key=lambda a: (a.status is not Status.FIRING, -a.severity, -a.starts_at))


def _bare(alert: Alert) -> Alert:
    """What a line needs: cleaning the rest of an alert takes time, and nobody is shown it."""
    return replace(alert, message="", fields={}, evidence=(), advice=None, links=())


def _about(digest: Digest, shown: Sequence[Alert], node: str) -> Alert:
    """A stand-in for channels that show an alert; it is never stored."""
    still = [alert for alert in shown if alert.status is not Status.RESOLVED]
    status = Status.FIRING if any(alert.status is Status.FIRING for alert in still) else Status.EVENT
    return Alert(
        id=digest.id,
        type=shown[0].type,
        fingerprint=f"digest:{node}",
        status=status if still else Status.RESOLVED,
        severity=max(alert.severity for alert in still or shown),
        title=_title(digest, shown),
        message="",
        starts_at=digest.since,
        ends_at=None if still else digest.until,
        labels={"node": node},
    )


def _title(digest: Digest, shown: Sequence[Alert]) -> str:
    count = f"{len(shown)} alert{'s' if len(shown) > 1 else ''}"
    types = {alert.type for alert in shown}
    match digest.why:
        case Hold.QUIET_HOURS:
            return f"{count} from quiet hours"
        case Hold.OUTAGE:
            return f"{count} that could not be delivered"
        case Hold.RATE_LIMIT:
            return f"{count} in {duration(digest.until - digest.since)}"
        case _ if len(types) == 1:
            return f"{count}: {TYPES[shown[0].type].headline}"
        case _:
            return count


def _sentences(digest: Digest, shown: Sequence[Alert], now: int, zone: tzinfo) -> Iterator[str]:
    span = f"from {moment(digest.since, now, zone)} to {moment(digest.until, now, zone)}"
    opening: Mapping[Hold | None, str] = {
        Hold.QUIET_HOURS: f"Held for quiet hours {span}.",
        Hold.OUTAGE: f"Delivery was impossible {span}.",
        Hold.RATE_LIMIT: f"Too many for messages of their own {span}.",
        Hold.CLOCK_SET: "Due all at once, since the clock was set.",
        None: f"Held back for several reasons {span}.",
    }
    yield opening.get(digest.why, f"Told together {span}.")
    standing = Counter(alert.status for alert in shown)
    words = {Status.FIRING: "still firing", Status.RESOLVED: "resolved", Status.EVENT: "happened once"}
    yield f"{', '.join(f'{standing[s]} {word}' for s, word in words.items() if standing[s])}.".capitalize()
    cause = likely_cause(shown) if digest.why is Hold.RATE_LIMIT else None
    if cause:
        yield f"Likely cause: {cause}."


def _facts(shown: Sequence[Alert], node: str) -> Iterator[tuple[str, str]]:
    severities = Counter(alert.severity for alert in shown)
    types = Counter(alert.type for alert in shown)
    gpus = {alert.labels["gpu_uuid"] for alert in shown if "gpu_uuid" in alert.labels}
    jobs = {alert.job_id for alert in shown if alert.job_id}
    yield "Severity", ", ".join(f"{count} {severity}" for severity, count in sorted(severities.items(), reverse=True))
    yield "Types", cut(", ".join(f"{count} {kind}" for kind, count in types.most_common()), LINE_LIMIT)
    yield "Node", node
    if gpus:
        yield "GPUs", str(len(gpus))
    if jobs:
        yield "Jobs", str(len(jobs))


def _lines(
    shown: Sequence[Alert], recurrences: Mapping[str, Recurrence], now: int, zone: tzinfo, *, plain: bool
) -> tuple[str, ...]:
    """One line a condition, however often it came and went, or a one-shot event; and how many more there are."""
    episodes: dict[str, list[Alert]] = {}
    for alert in shown:
        once = alert.status is Status.EVENT
        episodes.setdefault(alert.id if once else alert.fingerprint, []).append(alert)
    most, room = (PLAIN_LINES, PLAIN_LIMIT) if plain else (MOST_MEMBERS, LINES_LIMIT)
    lines: list[str] = []
    left = len(shown)
    for found in episodes.values():
        line = cut(_line(found, recurrences, now, zone), LINE_LIMIT)
        room -= len(line) + 1
        if len(lines) == most or room < 0:
            break
        lines.append(line)
        left -= len(found)
    return (*lines, f"and {left} more") if left else tuple(lines)


def _line(episodes: Sequence[Alert], recurrences: Mapping[str, Recurrence], now: int, zone: tzinfo) -> str:
    """Tell how a condition stands: by its latest episode, the first in `episodes` that fires or else the newest."""
    alert = next((a for a in episodes if a.status is Status.FIRING), max(episodes, key=lambda a: a.starts_at))
    found = recurrences.get(alert.id)
    often = f" ({found.count})" if found else f" ({len(episodes)} times)" if len(episodes) > 1 else ""
    began = moment(min(a.starts_at for a in episodes), now, zone)
    if alert.status is Status.FIRING:
        still = duration(now - alert.starts_at)
        return f"{emoji_of(alert)} {alert.title}{often}: still firing since {began} ({still})"
    if alert.status is Status.RESOLVED and alert.ends_at is not None:
        ended = moment(alert.ends_at, now, zone)
        return f"{emoji_of(alert)} {alert.title}{often}: {began} to {ended}, resolved"
    return f"{emoji_of(alert)} {began} {alert.title}{_outcome(alert)}"


def _outcome(alert: Alert) -> str:
    """A job's name, how long it took and its final loss, where they are known."""
    job = alert.job or {}
    parts = [str(job["name"])] if job.get("name") else []
    if job.get("duration_seconds") is not None:
        parts.append(f"after {duration(job['duration_seconds'] * SECOND)}")
    if job.get("loss") is not None:
        parts.append(f"final loss {loss(job['loss'])}")
    return f": {', '.join(parts)}" if parts else ""


def _commonest(things: Iterable[T]) -> tuple[T, int] | None:
    counted = Counter(things).most_common(1)
    return counted[0] if counted else None


def _back(milliseconds: int) -> str:
    """A length of time as `history --since` takes it, in whole hours that surely suffice."""
    return f"{max(1, milliseconds // HOUR + 1)}h"
