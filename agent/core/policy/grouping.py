"""Stage: grouping. The first of a group waits for companions, and the next message of the group for its interval.

The end of each wait is stored with the row and no newcomer moves it, so a steady trickle starves nobody.
"""

from agent.core.model import Hold, NotificationKind, Severity
from agent.core.policy.model import PASS, Action, Context, Grouping, Proposal, Verdict

GROUPED = (NotificationKind.FIRED, NotificationKind.REPEATED)
"""Resolves and rises in severity do not wait."""
UNMUTED = ("silenced_by", "inhibited_by", "settling")
"""After these an alert counts as new: it has waited for long enough (R-6.6)."""


def grouping(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Hold what is not critical back for its group, if people read the channel."""
    rules = context.rules.grouping
    if rules is None or not _grouped(proposal):
        return PASS
    group = (proposal.recipient.name, rules.key(proposal.alert))
    due = _due(proposal, context, rules, now)
    if due > now:
        return Verdict(Action.DEFER, Hold.GROUPING, due, group=group[1])
    if proposal.held_for(Hold.GROUPING) or proposal.kind is NotificationKind.REPEATED:
        return Verdict(Action.GATHER, Hold.GROUPING, group=group[1])  # reminders of one digest are due at one instant
    return PASS


def _grouped(proposal: Proposal) -> bool:
    recipient = proposal.recipient
    if recipient.stateful or recipient.program or proposal.alert.severity is Severity.CRITICAL:
        return False
    before = (proposal.previous.reason or "").partition(":")[0] if proposal.previous else ""
    return proposal.kind in GROUPED and before not in UNMUTED


def _due(proposal: Proposal, context: Context, rules: Grouping, now: int) -> int:
    """When the group's message is due; never later than the clock allows that was set back meanwhile."""
    longest = now + max(rules.wait, rules.interval)
    if proposal.held is not None and proposal.held_for(Hold.GROUPING):
        return proposal.held.next_at if proposal.held.next_at <= longest else now
    group = (proposal.recipient.name, rules.key(proposal.alert))
    companions = context.gathering.get(group)
    if companions is not None and now < companions <= longest:
        return companions
    told = context.groups.get(group)
    after_the_last = min(told, now) + rules.interval if told is not None else now
    young = proposal.alert.starts_at + rules.wait > now
    return max(after_the_last, now + rules.wait if young else now)
