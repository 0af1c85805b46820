"""Stage: clock set. Timers that a step of the clock has ended all at once are told together, if they are many."""

from agent.core.model import Hold, NotificationKind, Severity
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict

MOST_SINGLE = 10
"""How many on one channel still go their own ways (alerting reference, R-12.2)."""


def clock_set(proposal: Proposal, context: Context, now: int) -> Verdict:  # noqa: ARG001 - every stage has one shape
    """Gather what is due only because time has passed: a reminder, or the end of a cooldown.

    What is new and critical is told by itself, and what quiet hours have held is told as theirs.
    """
    if not context.clock_set or proposal.recipient.stateful:
        return PASS
    reminder = proposal.kind is NotificationKind.REPEATED and proposal.held is None
    fired = proposal.kind is NotificationKind.FIRED and proposal.alert.severity is not Severity.CRITICAL
    cooled = fired and proposal.held_for(Hold.COOLDOWN)
    return Verdict(Action.GATHER, Hold.CLOCK_SET) if reminder or cooled else PASS
