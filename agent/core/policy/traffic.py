"""What is going on on the channels while a round decides: who waits for whom, and which tokens are left."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.core.model import Delivery, DeliveryState, Hold, Severity
from agent.core.policy import rate_limit
from agent.core.policy.bucket import Bucket
from agent.core.policy.grouping import GROUPED
from agent.core.policy.model import Context, Overflow, Proposal, Recipient, Verdict

RowsByChannel = Mapping[tuple[str, str], Sequence[Delivery]]
"""All deliveries by (alert id, channel), oldest first."""

ABOUT_TO_GO = (DeliveryState.QUEUED, DeliveryState.SENDING)


def note(context: Context, rows: RowsByChannel) -> None:
    """See from the stored rows (by alert and channel) who has something to send, and what waits for companions."""
    context.trying.update(row.channel for row in context.digests.values())
    for found in rows.values():
        row = found[-1] if found else None
        if row is not None and row.state in ABOUT_TO_GO:
            context.trying.add(row.channel)
        if row is None or row.state is not DeliveryState.DEFERRED or row.merged_into in context.digests:
            continue
        if row.reason == Hold.RATE_LIMIT:
            _overflow(context, row.channel, row.created_at, urgent=row.severity is Severity.CRITICAL)
        elif row.reason == Hold.GROUPING and context.rules.grouping is not None:
            group = (row.channel, context.rules.grouping.key(row.snapshot))
            context.gathering[group] = min(row.next_at, context.gathering.get(group, row.next_at))


def lines(rows: RowsByChannel) -> frozenset[tuple[str, str]]:
    """Fingerprints and channels with a delivery that is about to be sent."""
    return frozenset(
        (row.fingerprint, row.channel) for found in rows.values() for row in found if row.state in ABOUT_TO_GO
    )


def wait(context: Context, proposal: Proposal, verdict: Verdict, now: int) -> None:
    """One more is held back, which others may join."""
    channel = proposal.recipient.name
    if verdict.reason == Hold.RATE_LIMIT and not proposal.held_for(Hold.RATE_LIMIT):
        _overflow(context, channel, now, urgent=proposal.alert.severity is Severity.CRITICAL)
    elif verdict.reason == Hold.GROUPING and verdict.until is not None:
        context.gathering.setdefault((channel, verdict.group), verdict.until)


def hurry(context: Context, proposal: Proposal, now: int) -> None:
    """The overflow digest goes out in this round: whatever else waits for it goes along."""
    channel = proposal.recipient.name
    waiting = context.overflow.get(channel, Overflow(now, 0))
    context.overflow[channel] = replace(waiting, urgent=True)


def take(context: Context, recipient: Recipient, now: int) -> Bucket | None:
    """Take the token of one message; None where nothing is limited."""
    if context.rules.rate_limit is None or recipient.stateful:
        return None
    limit = rate_limit.of(recipient, context.rules.rate_limit)
    tokens = rate_limit.filled(context.buckets.get(recipient.name), limit, now)
    context.buckets[recipient.name] = replace(tokens, tokens=tokens.tokens - 1.0)
    return context.buckets[recipient.name]


def group_of(context: Context, proposal: Proposal) -> str | None:
    """The group that a message of its own belongs to; None where nothing is grouped."""
    rules, recipient = context.rules.grouping, proposal.recipient
    if rules is None or recipient.stateful or recipient.program or proposal.kind not in GROUPED:
        return None
    return rules.key(proposal.alert)


def _overflow(context: Context, channel: str, since: int, *, urgent: bool) -> None:
    known = context.overflow.get(channel)
    context.overflow[channel] = Overflow(
        since if known is None else min(known.since, since),
        1 if known is None else known.count + 1,
        urgent or (known is not None and known.urgent),
    )
