"""Stage: no word of a closed way out while it is closed. It is told once, as over, by the first channels that work."""

from agent.core.health_rules import NETWORK, UNREACHABLE
from agent.core.model import AlertType, Status
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict


def unreachable(proposal: Proposal, context: Context, now: int) -> Verdict:  # noqa: ARG001 - every stage has one shape
    """Hold it back where it cannot arrive, as long as anything else will show that a channel works again."""
    alert = proposal.alert
    told_of = alert.type is AlertType.AGENT_DEGRADED and alert.labels.get("component") == NETWORK
    if not told_of or alert.status is not Status.FIRING or not proposal.recipient.remote:
        return PASS
    return Verdict(Action.DEFER, UNREACHABLE) if context.trying else PASS
