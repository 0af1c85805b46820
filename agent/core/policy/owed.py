"""What a channel is owed about an alert, before any stage judges it: the transitions that people are told of."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.core.model import Alert, Delivery, DeliveryState, Ledger, NotificationKind, Status
from agent.core.policy.model import Rules

DROPPED = "dropped_by_user"
"""The reason of a delivery that a person took out of the queue."""

UNSENT = frozenset({DeliveryState.QUEUED, DeliveryState.DEFERRED})


@dataclass(frozen=True, slots=True)
class Owed:
    """A notification that is due. `replaces` is the unsent delivery that it stands for, if there is one."""

    kind: NotificationKind
    why: str
    replaces: Delivery | None = None


def owed(alert: Alert, ledger: Ledger, rows: Sequence[Delivery], rules: Rules, now: int) -> Owed | None:
    """Decide what is owed. `rows` are all deliveries of this alert on this channel, oldest first.

    Nothing is owed while a delivery is on its way; what it achieves shows in the ledger, and the next round goes on.
    """
    last = rows[-1] if rows else None
    if last is not None and last.state is DeliveryState.SENDING:
        return None
    waiting = last if last is not None and last.state in UNSENT else None
    told = ledger.open_announced and ledger.alert_id == alert.id
    if alert.status is Status.RESOLVED:
        return _on_resolve(told, waiting)
    if alert.status is Status.EVENT:
        return _on_event(alert, last)
    if waiting is not None:
        return _while_waiting(alert, waiting)
    if not told:
        return None if _given_up(last, alert, rules, now) else Owed(NotificationKind.FIRED, "first notification")
    return _while_firing(alert, ledger, rules, now)


def repeat_at(alert: Alert, ledger: Ledger, rules: Rules) -> int | None:
    """When the next reminder is due, counted from the last accepted message; None if never."""
    every = rules.of(alert.type).repeat_every(alert.severity)
    if every is None or ledger.last_accepted_at is None:
        return None
    return ledger.last_accepted_at + every


def _on_event(alert: Alert, last: Delivery | None) -> Owed | None:
    if last is None and alert.report is not None:
        return Owed(NotificationKind.REPORT, "report")
    if last is None:
        return Owed(NotificationKind.FIRED, "first notification")
    return Owed(last.kind, "first notification", last) if last.state is DeliveryState.DEFERRED else None


def _on_resolve(told: bool, waiting: Delivery | None) -> Owed | None:  # noqa: FBT001 - private and positional
    if waiting is not None and waiting.kind is NotificationKind.RESOLVED:
        return Owed(waiting.kind, "resolved", waiting) if waiting.state is DeliveryState.DEFERRED else None
    if told:
        return Owed(NotificationKind.RESOLVED, "resolved", waiting)
    if waiting is not None and waiting.state is DeliveryState.QUEUED:
        return Owed(NotificationKind.RESOLVED, "fired and resolved", waiting)
    return Owed(waiting.kind, "resolved before it was told", waiting) if waiting is not None else None


def _while_waiting(alert: Alert, waiting: Delivery) -> Owed | None:
    if alert.severity > waiting.severity:
        return Owed(NotificationKind.ESCALATED, "severity rose", waiting)
    if waiting.state is DeliveryState.DEFERRED:
        return Owed(waiting.kind, "first notification", waiting)
    return None


def _while_firing(alert: Alert, ledger: Ledger, rules: Rules, now: int) -> Owed | None:
    if ledger.last_accepted_severity is not None and alert.severity > ledger.last_accepted_severity:
        return Owed(NotificationKind.ESCALATED, "severity rose")
    due = repeat_at(alert, ledger, rules)
    return Owed(NotificationKind.REPEATED, "repeat interval elapsed") if due is not None and due <= now else None


def _given_up(last: Delivery | None, alert: Alert, rules: Rules, now: int) -> bool:
    """Whether its delivery died, or a person dropped it: it is tried anew at the repeat interval, not every round."""
    if last is None or not (last.state is DeliveryState.DEAD or last.reason == DROPPED):
        return False
    every = rules.of(alert.type).repeat_every(alert.severity)
    return every is None or now < last.created_at + every
