"""One round of policy: from live alerts and what channels know, to rows of the outbox and the reasons for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.core.model import (
    Alert,
    Decision,
    Delivery,
    DeliveryState,
    Hold,
    Ledger,
    NotificationKind,
    Status,
)
from agent.core.policy import rate_limit, traffic
from agent.core.policy.clock_set import MOST_SINGLE
from agent.core.policy.decided import STATE_AFTER, Change, Plan
from agent.core.policy.delivery import address, address_digest
from agent.core.policy.identity import delivery_id, notification_id
from agent.core.policy.model import PASS, Action, Context, Proposal, Recipient, Verdict
from agent.core.policy.owed import Owed, over, owed, repeat_at
from agent.core.policy.pipeline import judge
from agent.core.policy.quiet_hours import quiet_hours
from agent.core.policy.recall import recall
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
    round_.tell_together()
    round_.recall_digests(recipients)
    for item in context.silences:
        round_.plan.wake(min((at for at in (item.starts_at, item.ends_at) if at > now), default=None))
    return round_.plan


@dataclass(frozen=True, slots=True)
class _News:
    """A proposal with what it stands for."""

    proposal: Proposal
    due: Owed
    rows: Sequence[Delivery]


class _Round:
    """What one round has decided so far."""

    def __init__(self, context: Context, now: int, busy: frozenset[tuple[str, str]]) -> None:
        """`busy`: fingerprints and channels with a delivery that is about to be sent."""
        self.plan = Plan()
        self._context = context
        self._now = now
        self._busy = busy
        self._gathered: dict[tuple[Hold, str, str], list[_News]] = {}

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
        news = _News(proposal, due, rows)
        self._take(news, self._verdict(news))

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
            self._move(row, verdict)
            self._decide(proposal, verdict)

    def recall_digests(self, recipients: Sequence[Recipient]) -> None:
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

    def tell_together(self) -> None:
        """Send what was gathered; what finds no token then joins what waits for the overflow digest, the last to go."""
        self._part_few()
        for hold in (hold for hold in Hold if hold is not Hold.RATE_LIMIT):
            for key in [key for key in self._gathered if key[0] is hold]:
                self._tell(self._gathered.pop(key), key)
        for key, batch in self._gathered.items():
            self._send(batch, key)

    def _part_few(self) -> None:
        """Let each go its own way where a step of the clock has made few due at once."""
        calm = replace(self._context, clock_set=False)
        for key in [key for key in self._gathered if key[0] is Hold.CLOCK_SET]:
            if len(self._gathered[key]) <= MOST_SINGLE:
                for news in self._gathered.pop(key):
                    self._take(news, judge(news.proposal, calm, self._now))

    def _verdict(self, news: _News) -> Verdict:
        if _over_before_told(news.proposal):
            return Verdict(Action.SUPPRESS, "resolved_before_told", stage="cooldown")
        return judge(news.proposal, self._context, self._now)

    def _take(self, news: _News, verdict: Verdict) -> None:
        if verdict.action is Action.GATHER:
            self._gather(news, verdict)
        else:
            self._settle(news, verdict)

    def _gather(self, news: _News, verdict: Verdict) -> None:
        proposal = news.proposal
        if proposal.recipient.stateful:
            self._settle(news, PASS)  # it holds one object for each alert, and none for a digest
            return
        if (proposal.alert.fingerprint, proposal.recipient.name) in self._busy:
            return  # an earlier message about it is about to be sent, which none may overtake
        key = (Hold(verdict.reason), proposal.recipient.name, verdict.group)
        self._gathered.setdefault(key, []).append(news)
        if key[0] is Hold.RATE_LIMIT:
            traffic.hurry(self._context, proposal, self._now)

    def _tell(self, batch: list[_News], key: tuple[Hold, str, str]) -> None:
        """Send a batch if there is a token for it, which its gravest member asks for."""
        lead = max(batch, key=lambda news: news.proposal.alert.severity)
        verdict = rate_limit.rate_limit(lead.proposal, self._context, self._now)
        if verdict.action is Action.PASS:
            self._send(batch, key)
            return
        for news in batch:
            if verdict.action is Action.GATHER:
                self._gather(news, verdict)
            else:
                self._settle(news, replace(verdict, stage="rate_limit"))

    def _send(self, batch: list[_News], key: tuple[Hold, str, str]) -> None:
        """Tell a batch in a digest, which may be one that waits already; one alone is told as itself."""
        hold, channel, group = key
        waiting = next((row for row in self._context.digests.values() if _takes_more(row, channel)), None)
        if waiting is None and len(batch) == 1:
            self._settle(batch[0], PASS)
            return
        digest = waiting or self._digest(batch)
        if waiting is None:
            self.plan.inserts.append(digest)
            self._count(batch[0].proposal, group if hold is Hold.GROUPING else None)
        for news in batch:
            self._settle(news, Verdict(Action.MERGE, hold, stage=hold, merged_into=digest.id))

    def _digest(self, batch: list[_News]) -> Delivery:
        lead = max(batch, key=lambda news: news.proposal.alert.severity).proposal
        return address_digest(
            lead.alert, lead.alert.severity, map(self._row_id, batch), channel=lead.recipient.name,
            channel_type=lead.recipient.type, at=self._now,
        )  # fmt: skip

    def _row_id(self, news: _News) -> str:
        """The id of the delivery that tells this: one that waits already, or one to come."""
        if news.due.keeps is not None:
            return news.due.keeps.id
        notification = notification_id(news.proposal.alert.id, news.proposal.kind, self._sequence(news))
        return delivery_id(notification, news.proposal.recipient.name)

    def _settle(self, news: _News, verdict: Verdict) -> None:
        """Write down what becomes of one notification, if that differs from what is written already."""
        if verdict.action is Action.DEFER:
            self.plan.wake(verdict.until)
            traffic.wait(self._context, news.proposal, verdict, self._now)
        if not _is_news(verdict, news):
            return
        if verdict.action is Action.PASS:
            self._count(news.proposal, traffic.group_of(self._context, news.proposal))
        if news.due.keeps is not None:
            self._move(news.due.keeps, verdict)
        else:
            self._insert(news, verdict)
        self._decide(news.proposal, verdict)

    def _decide(self, proposal: Proposal, verdict: Verdict) -> None:
        """Write down why, and let what explains an alert name it."""
        if verdict.action is Action.SUPPRESS and verdict.stage == "inhibition":
            source = verdict.reason.partition(":")[2]
            self.plan.affected.setdefault(source, []).append(proposal.alert.title)
        self.plan.decisions.append(_decision(proposal, verdict, self._now))

    def _count(self, proposal: Proposal, group: str | None) -> None:
        """A message goes out: it takes a token, and its group has been told."""
        bucket = traffic.take(self._context, proposal.recipient, self._now)
        if bucket is not None:
            self.plan.buckets[proposal.recipient.name] = bucket
        if group is not None:
            self._context.groups[proposal.recipient.name, group] = self._now
            self.plan.groups[proposal.recipient.name, group] = self._now

    def _move(self, row: Delivery, verdict: Verdict) -> None:
        state, reason = STATE_AFTER[verdict.action], verdict.reason or None
        self.plan.changes.append(
            Change(row.id, row.channel, state, reason, _next_at(verdict, self._now), verdict.merged_into)
        )

    def _sequence(self, news: _News) -> int:
        """How many of this kind there have been."""
        proposal = news.proposal
        known = self._context.count(proposal.alert.id, proposal.recipient.name, proposal.kind)
        return max(known, sum(1 for row in news.rows if row.kind is proposal.kind))

    def _insert(self, news: _News, verdict: Verdict) -> None:
        proposal, recipient = news.proposal, news.proposal.recipient
        row = address(
            proposal.alert,
            proposal.kind,
            self._sequence(news),
            channel=recipient.name,
            channel_type=recipient.type,
            state=STATE_AFTER[verdict.action],
            at=self._now,
        )
        next_at = _next_at(verdict, self._now)
        row = replace(row, reason=verdict.reason or None, next_at=next_at, merged_into=verdict.merged_into)
        self.plan.inserts.append(row)
        old = news.due.replaces
        if old is not None:
            reason = f"superseded_by:{row.id}"
            self.plan.changes.append(Change(old.id, old.channel, DeliveryState.SUPERSEDED, reason, self._now))


def _over_before_told(proposal: Proposal) -> bool:
    """Whether nobody need hear of it any more: not at all, or not where an object would only be opened to be closed."""
    if not over(proposal.alert, stateful=proposal.recipient.stateful):
        return False
    told = proposal.ledger.open_announced and proposal.ledger.alert_id == proposal.alert.id
    never_opened = proposal.recipient.stateful and proposal.held is not None and not told
    return proposal.kind is not NotificationKind.RESOLVED or never_opened


def _takes_more(digest: Delivery, channel: str) -> bool:
    return digest.channel == channel and digest.state is DeliveryState.QUEUED


def _is_news(verdict: Verdict, news: _News) -> bool:
    """Whether the verdict differs from what the last row already says; a round that repeats itself writes nothing."""
    last = news.rows[-1] if news.rows else None
    if last is None:
        return True
    stands = (last.kind, last.state, last.reason, last.merged_into)
    return stands != (news.due.kind, STATE_AFTER[verdict.action], verdict.reason or None, verdict.merged_into)


def _next_at(verdict: Verdict, now: int) -> int:
    return verdict.until if verdict.action is Action.DEFER and verdict.until is not None else now


def _decision(proposal: Proposal, verdict: Verdict, now: int) -> Decision:
    passed = verdict.action is Action.PASS
    reason = f"digested_into:{verdict.merged_into}" if verdict.merged_into else verdict.reason
    return Decision(
        alert_id=proposal.alert.id,
        at=now,
        channel=proposal.recipient.name,
        kind=proposal.kind,
        stage=verdict.stage or "outbox",
        verdict="send" if passed else str(verdict.action),
        reason=proposal.why if passed else reason,
        until=verdict.until,
    )
