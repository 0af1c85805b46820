"""Stage: cooldown. A condition that fires again soon after it was told waits, the longer the more often it does so.

That makes flapping quiet without a state of its own: 15 min after the first message, 30 min if it came back once more,
then an hour. What came to an end meanwhile is told with the next message, as a number of changes.
"""

from agent.core.clock import HOUR, MINUTE
from agent.core.model import Hold, NotificationKind
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict

RECURRENCE_WINDOW = HOUR
"""How far back episodes count; after an hour of rest the first cooldown is back (R-3.8)."""
DOUBLINGS = 2
STATE_SPACING = 5 * MINUTE
"""How often a channel that holds state hears of something that keeps coming back."""


def cooldown(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Defer a `fired` within the cooldown of the last accepted one; a rise in severity does not wait."""
    last = proposal.ledger.last_fired_at
    if proposal.kind is not NotificationKind.FIRED or last is None:
        return PASS
    # Should the clock have been set back, a time in the future must not hold anything longer than its own span.
    until = min(last, now) + _span(proposal, context)
    if until > now:
        return Verdict(Action.DEFER, Hold.COOLDOWN, until)
    return Verdict(Action.GATHER, Hold.COOLDOWN) if proposal.held_for(Hold.COOLDOWN) else PASS


def _span(proposal: Proposal, context: Context) -> int:
    again = min(DOUBLINGS, max(0, len(context.episodes.get(proposal.alert.fingerprint, ())) - 2))
    if proposal.recipient.stateful:
        return STATE_SPACING if again else 0
    return context.rules.of(proposal.alert.type).cooldown << again
