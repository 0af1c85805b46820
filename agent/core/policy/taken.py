"""Stage: what a channel takes, by its own `alerts`, `min_severity` and `match`."""

from collections.abc import Collection, Iterable

from agent.core.model import Alert, AlertType, NotificationKind, Severity
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
    if alert.report is not None and alert.type in rules.reports:
        return None if recipient.name in rules.reports[alert.type] else "not_taken"
    if alert.type is AlertType.AGENT_DEGRADED and alert.severity is Severity.INFO:
        return "history_only"
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


def report_takers(
    alert_type: AlertType, recipients: Iterable[Recipient], named: Collection[str] | None
) -> frozenset[str]:
    """Who takes a report: the channels `named`, else those that list its type, else e-mail channels without a list."""
    if named is not None:
        return frozenset(named)
    recipients = list(recipients)
    listing = {item.name for item in recipients if item.alerts is not None and alert_type in item.alerts}
    return frozenset(listing or {item.name for item in recipients if item.alerts is None and item.type == "email"})
