"""Stage: quiet hours. What may wait is held until they end, and is then told together."""

from agent.core.clock import DAY, unset
from agent.core.model import Hold, NotificationKind
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict

LONGEST_HOLD = DAY
"""Who holds for longer has a wrong schedule, more likely than a reason (7.4)."""
TOO_LONG = "deferred_max_age"


def quiet_hours(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Hold back while it is quiet; whoever was told "firing" is told "resolved", if only afterwards."""
    if unset(now) or _passes(proposal, context):
        return PASS
    until = context.quiet_until(proposal.recipient.name, proposal.alert.type, now)
    held = proposal.held if proposal.held_for(Hold.QUIET_HOURS) else None
    if until is None:
        return Verdict(Action.GATHER, Hold.QUIET_HOURS) if held else PASS
    owes_the_end = proposal.kind is NotificationKind.RESOLVED and proposal.ledger.open_announced
    if context.rules.quiet_hours.suppress and not owes_the_end:
        return Verdict(Action.SUPPRESS, Hold.QUIET_HOURS, until)
    longest = (held.created_at if held else now) + LONGEST_HOLD
    if now >= longest:
        return Verdict(Action.GATHER, Hold.QUIET_HOURS, group=TOO_LONG)
    return Verdict(Action.DEFER, Hold.QUIET_HOURS, min(until, longest))


def _passes(proposal: Proposal, context: Context) -> bool:
    bypass = context.rules.quiet_hours.bypass
    if not proposal.recipient.quiet_hours or (bypass is not None and proposal.alert.severity >= bypass):
        return True
    return proposal.recipient.stateful and proposal.kind is NotificationKind.RESOLVED
