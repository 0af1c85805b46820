"""One round of policy: from live alerts and what channels know, to rows of the outbox and the reasons for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.core.model import (
    Alert,
    Decision,
    Delivery,
    DeliveryState,
    Ledger,
    NotificationKind,
    Status,
)
from agent.core.policy.delivery import address
from agent.core.policy.model import Action, Context, Proposal, Recipient, Verdict
from agent.core.policy.owed import Owed, over, owed, repeat_at
from agent.core.policy.pipeline import judge

RowsByChannel = Mapping[tuple[str, str], Sequence[Delivery]]
"""All deliveries by (alert id, channel), oldest first."""
LedgerByChannel = Mapping[tuple[str, str], Ledger]
"""Ledgers by (fingerprint, channel)."""

STATE_AFTER: Mapping[Action, DeliveryState] = {
    Action.PASS: DeliveryState.QUEUED,
    Action.DEFER: DeliveryState.DEFERRED,
    Action.SUPPRESS: DeliveryState.SUPPRESSED,
    Action.SUPERSEDE: DeliveryState.SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A new state for an existing delivery that is not being sent."""

    delivery_id: str
    channel: str
    state: DeliveryState
    reason: str | None
    next_at: int


@dataclass(slots=True)
class Plan:
    """What one round decided; `wake_at` is when the next decision falls due by itself."""

    inserts: list[Delivery] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    wake_at: int | None = None

    def wake(self, at: int | None) -> None:
        """Ask for another round at `at`, unless one is asked for sooner."""
        if at is not None and (self.wake_at is None or at < self.wake_at):
            self.wake_at = at


def plan(
    alerts: Iterable[Alert], recipients: Sequence[Recipient], ledgers: LedgerByChannel, rows: RowsByChannel,
    context: Context, now: int,
) -> Plan:
    """Decide for every live alert and recipient what is sent, held or left out, and why."""
    result = Plan()
    for alert in alerts:
        for recipient in recipients:
            ledger = ledgers.get((alert.fingerprint, recipient.name), Ledger(alert.fingerprint, recipient.name))
            _decide(result, alert, recipient, ledger, rows.get((alert.id, recipient.name), ()), context, now)
    for item in context.silences:
        result.wake(min((at for at in (item.starts_at, item.ends_at) if at > now), default=None))
    return result


def _decide(
    result: Plan, alert: Alert, recipient: Recipient, ledger: Ledger, rows: Sequence[Delivery], context: Context,
    now: int,
) -> None:
    due = owed(alert, ledger, rows, context.rules, now, stateful=recipient.stateful)
    if alert.status is Status.FIRING and not recipient.stateful:
        result.wake(repeat_at(alert, ledger, context.rules))
    if due is None:
        return
    proposal = Proposal(alert, due.kind, recipient, ledger, due.why)
    verdict = _verdict(proposal, due, context, now)
    if verdict.action is Action.DEFER:
        result.wake(verdict.until)
    if not _is_news(verdict, due, rows):
        return
    same = due.replaces is not None and due.replaces.kind is due.kind
    if due.replaces is not None and same:
        _move(result, due.replaces, verdict, now)
    else:
        _insert(result, proposal, verdict, rows, now, due.replaces)
    result.decisions.append(_decision(proposal, verdict, now))


def _verdict(proposal: Proposal, due: Owed, context: Context, now: int) -> Verdict:
    resolved = over(proposal.alert, stateful=proposal.recipient.stateful)
    if resolved and due.kind is not NotificationKind.RESOLVED:
        return Verdict(Action.SUPPRESS, "resolved_before_told", stage="cooldown")
    return judge(proposal, context, now)


def _is_news(verdict: Verdict, due: Owed, rows: Sequence[Delivery]) -> bool:
    """Whether the verdict differs from what the last row already says; a round that repeats itself writes nothing."""
    last = rows[-1] if rows else None
    if last is None:
        return True
    return (last.kind, last.state, last.reason) != (due.kind, STATE_AFTER[verdict.action], verdict.reason or None)


def _move(result: Plan, row: Delivery, verdict: Verdict, now: int) -> None:
    state, reason = STATE_AFTER[verdict.action], verdict.reason or None
    result.changes.append(Change(row.id, row.channel, state, reason, _next_at(verdict, now)))


def _next_at(verdict: Verdict, now: int) -> int:
    return verdict.until if verdict.action is Action.DEFER and verdict.until is not None else now


def _insert(
    result: Plan, proposal: Proposal, verdict: Verdict, rows: Sequence[Delivery], now: int, replaces: Delivery | None
) -> None:
    recipient = proposal.recipient
    row = address(
        proposal.alert,
        proposal.kind,
        sum(1 for row in rows if row.kind is proposal.kind),
        channel=recipient.name,
        channel_type=recipient.type,
        state=STATE_AFTER[verdict.action],
        at=now,
    )
    row = replace(row, reason=verdict.reason or None, next_at=_next_at(verdict, now))
    result.inserts.append(row)
    if replaces is not None:
        reason = f"superseded_by:{row.id}"
        result.changes.append(Change(replaces.id, replaces.channel, DeliveryState.SUPERSEDED, reason, now))


def _decision(proposal: Proposal, verdict: Verdict, now: int) -> Decision:
    passed = verdict.action is Action.PASS
    return Decision(
        alert_id=proposal.alert.id,
        at=now,
        channel=proposal.recipient.name,
        kind=proposal.kind,
        stage=verdict.stage or "outbox",
        verdict="send" if passed else str(verdict.action),
        reason=proposal.why if passed else verdict.reason,
        until=verdict.until,
    )
