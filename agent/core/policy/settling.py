"""What becomes of each notification of a round, written down: rows, changes of rows, reasons, and tokens taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.core.model import Decision, Delivery, DeliveryState
from agent.core.policy import traffic
from agent.core.policy.decided import STATE_AFTER, Change, Plan
from agent.core.policy.delivery import address
from agent.core.policy.identity import delivery_id, notification_id
from agent.core.policy.model import Action, Context, Proposal, Verdict
from agent.core.policy.owed import Owed


@dataclass(frozen=True, slots=True)
class News:
    """A proposal with what it stands for."""

    proposal: Proposal
    due: Owed
    rows: Sequence[Delivery]


class Settling:
    """What one round has decided so far, as a plan."""

    def __init__(self, context: Context, now: int) -> None:
        self.plan = Plan()
        self._context = context
        self._now = now

    def settle(self, news: News, verdict: Verdict) -> None:
        """Write down what becomes of one notification, if that differs from what is written already."""
        if verdict.action is Action.DEFER:
            self.plan.wake(verdict.until)
            traffic.wait(self._context, news.proposal, verdict, self._now)
        if not _is_news(verdict, news):
            return
        if verdict.action is Action.PASS:
            self.count(news.proposal, traffic.group_of(self._context, news.proposal))
        if news.due.keeps is not None:
            self.move(news.due.keeps, verdict)
        else:
            self._insert(news, verdict)
        self.note(news.proposal, verdict)

    def note(self, proposal: Proposal, verdict: Verdict) -> None:
        """Write down why, and let what explains an alert name it."""
        if verdict.action is Action.SUPPRESS and verdict.stage == "inhibition":
            source = verdict.reason.partition(":")[2]
            self.plan.affected.setdefault(source, []).append(proposal.alert.title)
        self.plan.decisions.append(_decision(proposal, verdict, self._now))

    def count(self, proposal: Proposal, group: str | None) -> None:
        """A message goes out: it takes a token, and its group has been told."""
        bucket = traffic.take(self._context, proposal.recipient, self._now)
        if bucket is not None:
            self.plan.buckets[proposal.recipient.name] = bucket
        if group is not None:
            self._context.groups[proposal.recipient.name, group] = self._now
            self.plan.groups[proposal.recipient.name, group] = self._now

    def move(self, row: Delivery, verdict: Verdict) -> None:
        """Give a row that waits the state of its verdict."""
        state, reason = STATE_AFTER[verdict.action], verdict.reason or None
        self.plan.changes.append(
            Change(row.id, row.channel, state, reason, _next_at(verdict, self._now), verdict.merged_into)
        )

    def row_id(self, news: News) -> str:
        """The id of the delivery that tells this: one that waits already, or one to come."""
        if news.due.keeps is not None:
            return news.due.keeps.id
        notification = notification_id(news.proposal.alert.id, news.proposal.kind, self._sequence(news))
        return delivery_id(notification, news.proposal.recipient.name)

    def _sequence(self, news: News) -> int:
        """How many of this kind there have been."""
        proposal = news.proposal
        known = self._context.count(proposal.alert.id, proposal.recipient.name, proposal.kind)
        return max(known, sum(1 for row in news.rows if row.kind is proposal.kind))

    def _insert(self, news: News, verdict: Verdict) -> None:
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


def _is_news(verdict: Verdict, news: News) -> bool:
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
