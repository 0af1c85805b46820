"""One round of policy: from live alerts and what channels know, to rows of the outbox and the reasons for them."""

from collections.abc import Iterable, Mapping, Sequence

from agent.core.model import (
    Alert,
    Delivery,
    DeliveryState,
    Hold,
    Ledger,
    NotificationKind,
    Status,
)
from agent.core.policy import traffic
from agent.core.policy.decided import Change, Plan
from agent.core.policy.gathering import Gathering
from agent.core.policy.model import Action, Context, Proposal, Recipient, Verdict
from agent.core.policy.owed import over, owed, repeat_at
from agent.core.policy.pipeline import judge
from agent.core.policy.quiet_hours import quiet_hours
from agent.core.policy.recall import recall
from agent.core.policy.settling import News, Settling
from agent.core.policy.traffic import RowsByChannel

LedgerByChannel = Mapping[tuple[str, str], Ledger]
"""Ledgers by (fingerprint, channel)."""


def plan(
    alerts: Iterable[Alert], recipients: Sequence[Recipient], ledgers: LedgerByChannel, rows: RowsByChannel,
    context: Context, now: int,
) -> Plan:
    """Decide for every live alert and recipient what is sent, held or left out, and why. The gravest are first."""
    traffic.note(context, rows)
    round_ = _Round(context, now, traffic.lines(rows))
    for alert in sorted(alerts, key=lambda alert: (-alert.severity, alert.starts_at)):
        for recipient in recipients:
            ledger = ledgers.get((alert.fingerprint, recipient.name), Ledger(alert.fingerprint, recipient.name))
            round_.decide(alert, recipient, ledger, rows.get((alert.id, recipient.name), ()))
    return round_.end(recipients)


class _Round:
    """What one round has decided so far."""

    def __init__(self, context: Context, now: int, busy: frozenset[tuple[str, str]]) -> None:
        """`busy`: fingerprints and channels with a delivery that is about to be sent."""
        self._context = context
        self._now = now
        self._settling = Settling(context, now)
        self.plan = self._settling.plan
        self._gathering = Gathering(self._settling, context, now, busy)

    def end(self, recipients: Sequence[Recipient]) -> Plan:
        """Tell what was gathered, and say when to decide again."""
        self._gathering.tell_together()
        self._recall_digests(recipients)
        for item in self._context.silences:
            self.plan.wake(min((at for at in (item.starts_at, item.ends_at) if at > self._now), default=None))
        return self.plan

    def decide(self, alert: Alert, recipient: Recipient, ledger: Ledger, rows: Sequence[Delivery]) -> None:
        context, stateful = self._context, recipient.stateful
        due = owed(alert, ledger, rows, context.rules, self._now, stateful=stateful, digests=context.digests)
        if alert.status is Status.FIRING and not stateful:
            reminder = repeat_at(alert, ledger, context.rules)
            self.plan.wake(reminder if reminder is not None and reminder > self._now else None)
        if due is None:
            self._recall(alert, recipient, ledger, rows)
            return
        proposal = Proposal(alert, due.kind, recipient, ledger, due.why, rows[-1] if rows else None)
        self._gathering.take(News(proposal, due, rows), self._verdict(proposal))

    def _recall(self, alert: Alert, recipient: Recipient, ledger: Ledger, rows: Sequence[Delivery]) -> None:
        """Hold back what was to be sent before it was explained or became quiet, and could not be."""
        row = rows[-1] if rows else None
        if row is None or not row.state.open:
            return
        if row.state is DeliveryState.QUEUED:
            self.plan.wake(self._context.next_quiet(self._now))
        proposal = Proposal(alert, row.kind, recipient, ledger, "")
        verdict = recall(proposal, row, self._context, self._now)
        if verdict.action is not Action.PASS:
            self.plan.wake(verdict.until)
            self._settling.move(row, verdict)
            self._settling.note(proposal, verdict)

    def _recall_digests(self, recipients: Sequence[Recipient]) -> None:
        """The same for digests, which keep their members and only wait longer."""
        keep = {item.name: item for item in recipients}
        for row in self._context.digests.values():
            if row.channel not in keep or row.state is not DeliveryState.QUEUED:
                continue
            self.plan.wake(self._context.next_quiet(self._now))
            proposal = Proposal(row.snapshot, row.kind, keep[row.channel], Ledger(row.fingerprint, row.channel), "")
            verdict = quiet_hours(proposal, self._context, self._now)
            if verdict.until is not None and row.next_at < verdict.until:
                self.plan.changes.append(Change(row.id, row.channel, row.state, Hold.QUIET_HOURS, verdict.until))

    def _verdict(self, proposal: Proposal) -> Verdict:
        if _over_before_told(proposal):
            return Verdict(Action.SUPPRESS, "resolved_before_told", stage="cooldown")
        return judge(proposal, self._context, self._now)


def _over_before_told(proposal: Proposal) -> bool:
    """Whether nobody need hear of it any more: not at all, or not where an object would only be opened to be closed."""
    if not over(proposal.alert, stateful=proposal.recipient.stateful):
        return False
    told = proposal.ledger.open_announced and proposal.ledger.alert_id == proposal.alert.id
    never_opened = proposal.recipient.stateful and proposal.held is not None and not told
    return proposal.kind is not NotificationKind.RESOLVED or never_opened
