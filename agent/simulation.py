"""A timeline played through the present configuration: what each channel would have received, and when.

The agent is the real one on a temporary state directory, under a clock that jumps from one thing to the next. Only the
channels are others: they render as the real ones do, and send nothing.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent import app, channel_wiring, reporting
from agent.config.load import Loaded
from agent.core.clock import DAY, MINUTE, SECOND, Instant
from agent.core.facts import Event, HandedIn, event_id
from agent.core.message import Message
from agent.core.model import Alert, DeliveryState, Json, NotificationKind
from agent.core.payload import rfc3339
from agent.core.ports import Channel, Receipt, SendError, SendErrorKind
from agent.core.reasons import words
from agent.core.record import moment
from agent.core.redact import Redactor
from agent.core.timeline import ClockSet, Happening, Kill, Outage, Silenced, Timeline
from agent.runtime.clock import VirtualClock
from agent.runtime.outlet import Outlet
from agent.runtime.rehearsal import Rehearsal
from agent.runtime.steering import Steering
from agent.store import alerts, backlog, decisions, history, silences
from agent.store.database import Database

PATIENCE = 4 * DAY
"""How long after its last entry a simulation without an end may go on: longer than any message waits."""
MOST = 100_000
"""The most alerts of one simulation."""
OUTCOMES: Mapping[str, str] = {"defer": "held", "suppress": "dropped", "supersede": "dropped"}
"""What a verdict other than "send" comes to."""


class Unplayable(ValueError):  # noqa: N818 - reads as what it is
    """The timeline names a channel that is not configured or not enabled, or an alert that does not fire then."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a channel took. `at` in UTC milliseconds; `request` is what the real one would have sent."""

    at: int
    delivery: str
    message: Message
    request: str


@dataclass
class Remembering:
    """A channel that renders every message and keeps it; during an outage it cannot be reached."""

    real: Channel
    clock: VirtualClock
    sent: list[Sent] = field(default_factory=list)
    down_until: float = 0.0
    """By the monotonic clock, which nobody sets."""

    def send(self, message: Message, key: str) -> Receipt:
        """Take the message. Raises SendError during an outage."""
        now = self.clock.now()
        if now.monotonic < self.down_until:
            raise SendError(SendErrorKind.RETRY, "an outage of the timeline", reason="network")
        self.sent.append(Sent(now.wall, key, message, self.real.preview(message, key)))
        return Receipt()

    def preview(self, message: Message, key: str) -> str:
        """As the real one."""
        return self.real.preview(message, key)

    def close(self) -> None:
        """The real one is closed with the simulation, not with the agent in it."""


def simulate(loaded: Loaded, timeline: Timeline) -> list[dict[str, Json]]:
    """Play the timeline; returns what became of every notification, in the order of time. Raises Unplayable.

    Each is {"at", "channel", "channel_type", "outcome": sent|held|dropped|dead|waiting, "notification", "alert_id",
    "type", "severity", "title", "text", "reason", "explanation", "until", "request"}: `text` and `request` are those of
    a message that was sent; the reason says why one was held or dropped.
    """
    logging.getLogger("agent").addHandler(logging.NullHandler())  # what the agent in it logs is no news to anybody
    clock = VirtualClock(timeline.start)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpuwarden-simulate-")))
        equipment = channel_wiring.tools(loaded, Redactor(loaded.secrets), clock)
        stack.callback(equipment.http.close)
        settings, wanted = app.evaluator_settings(loaded), reporting.wanted(loaded, os.environ)
        outlets = [channel_wiring.outlet(item.name, loaded, equipment) for item in settings.recipients]
        for outlet in outlets:
            stack.callback(outlet.channel.close)
        channels = {item.name: Remembering(item.channel, clock) for item in outlets}
        composers = [channel_wiring.composer(item.name, loaded, equipment.redactor, os.environ) for item in outlets]
        ways_out = [
            (replace(outlet, channel=channels[outlet.name]), compose)
            for outlet, compose in zip(outlets, composers, strict=True)
        ]
        node = Rehearsal(folder / "state", clock, lambda: settings, ways_out, lambda: wanted)
        stack.callback(node.close)
        _play(node, timeline, channels, clock)
        told = [_sent(item, outlet) for outlet in outlets for item in channels[outlet.name].sent]
        return sorted([*told, *_untold(node, clock.now().wall)], key=lambda item: item["at"])


def _play(node: Rehearsal, timeline: Timeline, channels: Mapping[str, Remembering], clock: VirtualClock) -> None:
    wrong = 0
    for number, entry in enumerate(timeline.entries):
        node.run_until(entry.at + wrong)
        if isinstance(entry.what, ClockSet):
            clock.jump(entry.what.by / SECOND)
            wrong += entry.what.by
        else:
            _happen(node, channels, entry.what, clock, number)
    node.settle()
    if timeline.end is not None:
        node.run_until(timeline.end + wrong)
        return
    latest = clock.now().wall + PATIENCE
    while (now := clock.now().wall) < latest and _goes_on(node, now):
        node.run_until(now + MINUTE)


def _goes_on(node: Rehearsal, now: int) -> bool:
    """Whether something waits, or for the end of a silence."""
    if node.database.read(backlog.lengths):
        return True
    return any(silence.ends_at > now for silence in node.database.read(silences.load))


def _happen(
    node: Rehearsal, channels: Mapping[str, Remembering], what: Happening, clock: VirtualClock, number: int
) -> None:  # fmt: skip
    """Let the entry of this number happen."""
    now = clock.now()
    match what:
        case HandedIn():
            node.report(Event(event_id("timeline", number), "timeline", now.wall, what))
        case Alert():
            node.evaluator.take(what, now.wall)
        case Kill():
            node.restart()
        case Outage():
            _break(channels, what, now)
        case Silenced():
            _silence(node, what, clock, number)


def _break(channels: Mapping[str, Remembering], outage: Outage, now: Instant) -> None:
    if outage.channel not in channels:
        raise Unplayable(f"the timeline names the channel {outage.channel!r}; enabled: {', '.join(channels)}")
    channels[outage.channel].down_until = now.monotonic + outage.length / SECOND


def _silence(node: Rehearsal, what: Silenced, clock: VirtualClock, number: int) -> None:
    alert_id = None if what.title is None else _firing(node, what.title)
    person, name = Steering(lambda: Database.open(node.database.path), clock), f"entry-{number + 1}"
    person.silence(name, what.length, author="timeline", comment="", alert_id=alert_id, match=what.match)


def _firing(node: Rehearsal, title: str) -> str:
    """The id of the alert of this title that fires. Raises Unplayable."""
    node.settle()  # what is handed in at the same moment
    firing = {alert.title: alert.id for alert in node.database.read(alerts.firing)}
    if title not in firing:
        fires = ", ".join(map(repr, firing)) or "nothing"
        raise Unplayable(f"the timeline silences {title!r}, which does not fire then; what fires: {fires}")
    return firing[title]


def _sent(item: Sent, outlet: Outlet) -> dict[str, Json]:
    message = item.message
    return {
        **_about(item.at, outlet.name, outlet.type, message.alert, message.kind, "sent"),
        "severity": str(message.severity),
        "title": message.headline,
        "text": message.body,
        "reason": message.reason,
        "request": item.request,
    }


def _untold(node: Rehearsal, end: int) -> Iterator[dict[str, Json]]:
    """What was held, dropped, given up, or still waits at the end."""
    made, told = node.database.read(
        lambda conn: (decisions.between(conn, 0, sys.maxsize), history.page(conn, since=0, limit=MOST))
    )
    known = {alert.id: alert for alert, _ in told}
    types = {(alert.id, row.channel): row.channel_type for alert, rows in told for row in rows}
    for decision in made:
        if decision.verdict in OUTCOMES and decision.channel is not None:
            alert, channel = known[decision.alert_id], decision.channel
            kind = types.get((alert.id, channel), "")
            about = _about(decision.at, channel, kind, alert, decision.kind, OUTCOMES[decision.verdict])
            yield {**about, **_why(decision.reason), "until": moment(decision.until)}
    for row in (row for _, rows in told for row in rows):
        if row.state is DeliveryState.DEAD or row.state.open:
            outcome, until = ("waiting", row.next_at) if row.state.open else ("dead", None)
            about = _about(end, row.channel, row.channel_type, row.snapshot, row.kind, outcome)
            yield {**about, **_why(row.reason or str(row.state)), "until": moment(until)}


def _about(
    at: int, channel: str, channel_type: str, alert: Alert, kind: NotificationKind, outcome: str
) -> dict[str, Json]:
    return {
        "at": rfc3339(at), "channel": channel, "channel_type": channel_type, "outcome": outcome,
        "notification": str(kind), "alert_id": alert.id, "type": str(alert.type), "severity": str(alert.severity),
        "title": alert.title, "text": None, "reason": None, "explanation": None, "until": None, "request": None,
    }  # fmt: skip


def _why(reason: str) -> dict[str, Json]:
    return {"reason": reason, "explanation": words(reason)}
