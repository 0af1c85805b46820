"""Stage: coalescing. A channel that holds state gets the latest state of each key, and not more often than helps."""

from agent.core.clock import SECOND
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict

SPACING = 10 * SECOND
"""Least time between two requests about one fingerprint (alerting reference, R-8.8)."""


def coalesce(proposal: Proposal, context: Context, now: int) -> Verdict:  # noqa: ARG001 - every stage has one shape
    """Defer what follows too soon on the last accepted message; by then a later state may have taken its place."""
    last = proposal.ledger.last_accepted_at
    if not proposal.recipient.stateful or last is None:
        return PASS
    until = min(last, now) + SPACING
    return Verdict(Action.DEFER, "coalesced", until) if until > now else PASS
