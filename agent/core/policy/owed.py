"""What a channel is owed about an alert, before any stage judges it: the transitions that people are told of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core.clock import HOUR
from agent.core.model import Alert, Delivery, DeliveryState, Hold, Ledger, NotificationKind, Status
from agent.core.policy.model import Rules

DROPPED = "dropped_by_user"
"""The reason of a delivery that a person took out of the queue."""

BRIEF = frozenset({Hold.COOLDOWN, "settling"})
"""For what a first message waits when its alert is not worth one by itself, should it end meanwhile."""

STALE = HOUR
"""Until when people are told of an event although what it began is over: that it happened is news all the same."""

NO_DIGESTS: Mapping[str, Delivery] = {}

UNSENT = frozenset({DeliveryState.QUEUED, DeliveryState.DEFERRED})


@dataclass(frozen=True, slots=True)
class Owed:
    """A notification that is due. `replaces` is the unsent delivery that it stands for, if there is one."""

    kind: NotificationKind
    why: str
    replaces: Delivery | None = None

    @property
    def keeps(self) -> Delivery | None:
        """The unsent delivery itself, where it says the same and need not make room for another."""
        return self.replaces if self.replaces is not None and self.replaces.kind is self.kind else None


def owed(
    alert: Alert, ledger: Ledger, rows: Sequence[Delivery], rules: Rules, now: int, *, stateful: bool = False,
    digests: Mapping[str, Delivery] = NO_DIGESTS,
) -> Owed | None:  # fmt: skip
    """Decide what is owed. `rows` are all deliveries of this alert on this channel, oldest first.

    A `stateful` channel holds a one-shot alert open until something ends it, hears of every change of severity, and
    needs no reminder.

    Nothing is owed while a delivery is on its way; what it achieves shows in the ledger, and the next round goes on.
    Nor while one of the unfinished `digests` (by id) will tell the news, unless that turns graver meanwhile.
    """
    last = rows[-1] if rows else None
    if last is not None and last.state is DeliveryState.SENDING:
        return None
    waiting = last if last is not None and last.state in UNSENT else None
    digest = digests.get(waiting.merged_into or "") if waiting is not None else None
    if digest is not None and (digest.state is DeliveryState.SENDING or not _graver(alert, waiting)):
        return None
    told = ledger.open_announced and ledger.alert_id == alert.id
    if over(alert, stateful=stateful):
        return _on_resolve(alert, told, waiting, rules, known=last is not None)
    if alert.status is Status.EVENT:
        return _on_event(alert, last, now)
    if waiting is not None:
        return _while_waiting(alert, waiting)
    if not told:
        return None if _given_up(last, alert, rules, now) else Owed(NotificationKind.FIRED, "first notification")
    return _state(alert, ledger) if stateful else _while_firing(alert, ledger, rules, now)


def over(alert: Alert, *, stateful: bool) -> bool:
    """Whether the channel is to be told that it is over; an event is so only where it was held open."""
    return alert.status is Status.RESOLVED or (stateful and alert.ends_at is not None)


def repeat_at(alert: Alert, ledger: Ledger, rules: Rules) -> int | None:
    """When the next reminder is due, counted from the last accepted message; None if never."""
    every = rules.of(alert.type).repeat_every(alert.severity)
    if every is None or ledger.last_accepted_at is None:
        return None
    return ledger.last_accepted_at + every


def _on_event(alert: Alert, last: Delivery | None, now: int) -> Owed | None:
    if last is None and alert.report is not None:
        return Owed(NotificationKind.REPORT, "its period is over")
    if last is None and alert.ends_at is not None and now - alert.starts_at > STALE:
        return None  # it ended where it was held open, and is no news to a channel that is new
    if last is None:
        return Owed(NotificationKind.FIRED, "first notification")
    return Owed(last.kind, "first notification", last) if last.state is DeliveryState.DEFERRED else None


def _on_resolve(  # `known`: whether anything was decided about it before
    alert: Alert, told: bool, waiting: Delivery | None, rules: Rules, *, known: bool  # noqa: FBT001 - private
) -> Owed | None:
    if waiting is None and not (told or known):
        return Owed(NotificationKind.FIRED, "resolved before it was told")
    if waiting is None:
        return Owed(NotificationKind.RESOLVED, "resolved") if told else None
    if waiting.kind is NotificationKind.RESOLVED:
        return Owed(waiting.kind, "resolved", waiting) if waiting.state is DeliveryState.DEFERRED else None
    if told:
        return Owed(NotificationKind.RESOLVED, "resolved", waiting)
    if waiting.state is DeliveryState.DEFERRED and _hardly_there(alert, waiting, rules):
        return Owed(waiting.kind, "resolved before it was told", waiting)
    return Owed(NotificationKind.RESOLVED, "fired and resolved", waiting)


def _hardly_there(alert: Alert, waiting: Delivery, rules: Rules) -> bool:
    """Whether an episode that nobody was told of came and went too quickly to be told of at all (R-3.5, R-3.8)."""
    if waiting.reason == Hold.GROUPING and rules.grouping is not None and alert.ends_at is not None:
        return alert.ends_at - alert.starts_at < rules.grouping.wait
    return waiting.reason in BRIEF


def _graver(alert: Alert, waiting: Delivery | None) -> bool:
    firing = alert.status is Status.FIRING
    return firing and waiting is not None and alert.severity > waiting.severity


def _while_waiting(alert: Alert, waiting: Delivery) -> Owed | None:
    if alert.severity > waiting.severity:
        return Owed(NotificationKind.ESCALATED, "severity rose", waiting)
    if waiting.state is DeliveryState.DEFERRED:
        return Owed(waiting.kind, "first notification", waiting)
    return None


def _state(alert: Alert, ledger: Ledger) -> Owed | None:
    known = ledger.last_accepted_severity
    if known is None or alert.severity == known:
        return None
    if alert.severity > known:
        return Owed(NotificationKind.ESCALATED, "severity rose")
    return Owed(NotificationKind.REPEATED, "severity fell")


def _while_firing(alert: Alert, ledger: Ledger, rules: Rules, now: int) -> Owed | None:
    if ledger.last_accepted_severity is not None and alert.severity > ledger.last_accepted_severity:
        return Owed(NotificationKind.ESCALATED, "severity rose")
    due = repeat_at(alert, ledger, rules)
    return Owed(NotificationKind.REPEATED, "repeat interval elapsed") if due is not None and due <= now else None


def _given_up(last: Delivery | None, alert: Alert, rules: Rules, now: int) -> bool:
    """Whether its delivery died, or was left out for good: it is tried anew at the repeat interval, not every round."""
    if last is None or not (last.state is DeliveryState.DEAD or last.reason in (DROPPED, Hold.QUIET_HOURS)):
        return False
    every = rules.of(alert.type).repeat_every(alert.severity)
    return every is None or now < last.created_at + every
