"""Stage: the rate limit. What there is no token for waits for the overflow digest; nothing is dropped."""

from agent.core.clock import MINUTE
from agent.core.model import Hold, Severity
from agent.core.policy import bucket
from agent.core.policy.bucket import Bucket, RateLimit
from agent.core.policy.model import PASS, Action, Context, Overflow, Proposal, Recipient, Verdict

DIGEST_AFTER = 5 * MINUTE
"""How long the first that found no token waits for others (R-8.3)."""
DIGEST_AT = 200
"""Waiting rows at which nobody waits any longer."""
DEBT = 1.0
"""What something critical may overdraw the bucket by, alone or with all that waits (docs/decisions/0015)."""


def rate_limit(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Let through while there are tokens; the last of them are for what is critical."""
    if context.rules.rate_limit is None or proposal.recipient.stateful:
        return PASS
    limit = of(proposal.recipient, context.rules.rate_limit)
    tokens = filled(context.buckets.get(proposal.recipient.name), limit, now)
    waiting = context.overflow.get(proposal.recipient.name)
    critical = proposal.alert.severity is Severity.CRITICAL
    held = proposal.held_for(Hold.RATE_LIMIT)
    if not held and (critical or waiting is None) and tokens.tokens >= bucket.needed(limit, critical=critical):
        return PASS
    overflow = waiting or Overflow(now, 0)
    if not held:
        overflow = Overflow(overflow.since, overflow.count + 1, overflow.urgent or critical)
    due = _digest_due(overflow, tokens, limit, now)
    if due <= now:
        return Verdict(Action.GATHER, Hold.RATE_LIMIT)
    return Verdict(Action.DEFER, Hold.RATE_LIMIT, due)


def of(recipient: Recipient, limit: RateLimit) -> RateLimit:
    """The limit of one channel."""
    return limit if recipient.max_per_hour is None else RateLimit(recipient.max_per_hour, limit.burst)


def filled(known: Bucket | None, limit: RateLimit, now: int) -> Bucket:
    """A channel's bucket as it is now."""
    return bucket.refilled(known, limit, now) if known is not None else bucket.full(limit, now)


def _digest_due(overflow: Overflow, tokens: Bucket, limit: RateLimit, now: int) -> int:
    if overflow.urgent:
        return bucket.ready_at(tokens, limit, 1.0 - DEBT)
    patience = now if overflow.count >= DIGEST_AT else min(overflow.since, now) + DIGEST_AFTER
    return max(patience, bucket.ready_at(tokens, limit, bucket.needed(limit, critical=False)))
