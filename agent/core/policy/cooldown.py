"""Stage: cooldown. A condition that fires again soon after it was told waits, so that flapping stays quiet."""

from agent.core.model import NotificationKind
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict


def cooldown(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Defer a `fired` within the cooldown of the last accepted one; a rise in severity does not wait."""
    last = proposal.ledger.last_fired_at
    if proposal.kind is not NotificationKind.FIRED or proposal.recipient.stateful or last is None:
        return PASS
    # Should the clock have been set back, a time in the future must not hold anything longer than its own span.
    until = min(last, now) + context.rules.of(proposal.alert.type).cooldown
    return Verdict(Action.DEFER, "cooldown", until) if until > now else PASS
