"""One-shot alerts that channels hold open, such as an incident about a failed job: what ends them."""

from collections.abc import Iterable

from agent.core.job import JobState
from agent.core.job_alerts import CAUSE_ALERTS
from agent.core.model import TYPES, Alert, AlertType
from agent.core.policy.model import Recipient, Rules
from agent.core.policy.taken import refusal

ONE_SHOT = frozenset(alert_type for alert_type, traits in TYPES.items() if not traits.condition)


def ended_by(alert: Alert, recipients: Iterable[Recipient], rules: Rules) -> frozenset[AlertType]:
    """The types of one-shot alerts about the same job that are over with this alert.

    A job that completes ends them all. One that fails ends the alert about the cause of its failure, unless a channel
    holds that open without being told of the failure.
    """
    holders = [item for item in recipients if item.stateful]
    if alert.job_id is None or not holders:
        return frozenset()
    if alert.type is AlertType.JOB_COMPLETED:
        doubtful = alert.job is not None and alert.job.get("state") == str(JobState.UNKNOWN)
        return frozenset() if doubtful else ONE_SHOT - {AlertType.JOB_COMPLETED}
    if alert.type is AlertType.JOB_FAILED and alert.job is not None:
        causes = {CAUSE_ALERTS[kind] for kind in CAUSE_ALERTS if str(kind) == alert.job.get("reason")}
        told = all(refusal(item, alert, rules) is None for item in holders)
        return frozenset(causes) if told else frozenset()
    return frozenset()
