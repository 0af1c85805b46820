"""Stage: room in the outbox. When far too much waits, new messages of severity info are given up, and counted."""

from agent.core.model import NotificationKind, Severity
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict

OPEN_ROWS = 50_000
"""Open deliveries that the outbox holds before that (alerting reference, 9.5)."""


def room(proposal: Proposal, context: Context, now: int) -> Verdict:  # noqa: ARG001 - every stage has one shape
    """Give up what is new and of least severity; warnings and critical alerts always find room."""
    new = proposal.previous is None and proposal.kind is not NotificationKind.RESOLVED
    if new and proposal.alert.severity is Severity.INFO and context.open_rows >= OPEN_ROWS:
        return Verdict(Action.GIVE_UP, "queue_full")
    return PASS
