"""Stage: one failure, one message. Where the job's end tells the whole story, its cause is not told again."""

from agent.core.model import NotificationKind
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict
from agent.core.policy.taken import refusal


def one_failure(proposal: Proposal, context: Context, now: int) -> Verdict:  # noqa: ARG001 - every stage has one shape
    """Supersede the cause by the end of its job, on channels that take both.

    On a channel for people that end also stands for the cause's "resolved"; a program and a channel that holds
    state are told that too.
    """
    end = context.alerts.get(proposal.alert.cause_of or "")
    if end is None or refusal(proposal.recipient, end, context.rules):
        return PASS
    holds_state = proposal.recipient.stateful or proposal.recipient.program
    if proposal.kind is NotificationKind.RESOLVED and holds_state:
        return PASS
    return Verdict(Action.SUPERSEDE, f"superseded_by:{end.id}")
