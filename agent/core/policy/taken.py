"""Stage: what a channel takes, by its own `alerts`, `min_severity` and `match`."""

from agent.core.model import Alert, AlertType, NotificationKind
from agent.core.policy.model import PASS, Action, Context, Proposal, Recipient, Rules, Verdict
from agent.core.policy.silence import matches


def taken(proposal: Proposal, context: Context, now: int) -> Verdict:  # noqa: ARG001 - every stage has one shape
    """Suppress what the channel did not ask for. A resolve follows its `fired` wherever that went."""
    if proposal.kind is NotificationKind.RESOLVED and proposal.ledger.open_announced:
        return PASS
    reason = refusal(proposal.recipient, proposal.alert, context.rules)
    return Verdict(Action.SUPPRESS, reason) if reason else PASS


def refusal(recipient: Recipient, alert: Alert, rules: Rules) -> str | None:
    """Why the recipient does not take the alert; None if it does."""
    if alert.type is AlertType.CHANNEL_FAILING and alert.labels.get("channel") == recipient.name:
        return "own_trouble"
    if recipient.stateful and alert.type is AlertType.JOB_COMPLETED:
        return "only_ends_alerts"
    if not takes_type(recipient, alert.type, rules):
        return "not_taken"
    if alert.severity < recipient.min_severity:
        return "below_min_severity"
    if not matches(recipient.match, alert):
        return "not_matched"
    return None


def takes_type(recipient: Recipient, alert_type: AlertType, rules: Rules) -> bool:
    """Whether the recipient takes this type, by its own list or else by default."""
    if recipient.alerts is None:
        return rules.default_on(alert_type)
    return alert_type in recipient.alerts
