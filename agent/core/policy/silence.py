"""Stage: silences. A matching alert is recorded and told to nobody until the silence ends; resolves pass.

A silence of a node, and nothing else, is maintenance: what becomes of jobs is told all the same, and that the node is
to go down (alerting reference, 11.2 and 11.3).
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from agent.core.clock import DAY
from agent.core.model import Alert, AlertType, NotificationKind, Silence
from agent.core.policy.model import PASS, Action, Context, Proposal, Verdict
from agent.core.shutdown_rules import NODE

LONGEST = 30 * DAY
"""Alerting reference R-11.1: who wants a longer silence changes the configuration."""
JOB_STATES = frozenset(
    {AlertType.JOB_STARTED, AlertType.JOB_COMPLETED, AlertType.JOB_FAILED, AlertType.JOB_CANCELLED}
)


def silence(proposal: Proposal, context: Context, now: int) -> Verdict:
    """Suppress what an active silence covers. Whoever was told "firing" is still told "resolved"."""
    if proposal.kind is NotificationKind.RESOLVED:
        return PASS
    for item in context.silences:
        if item.active(now) and covers(item, proposal.alert):
            return Verdict(Action.SUPPRESS, f"silenced_by:{item.id}", item.ends_at)
    return PASS


def covers(item: Silence, alert: Alert) -> bool:
    """Whether the silence names this alert, or all its label patterns match (`type`, `severity`, `job` too)."""
    if item.alert_id is not None:
        return item.alert_id == alert.id
    if set(item.match) == {"node"} and _passes_maintenance(alert):
        return False
    return bool(item.match) and matches(item.match, alert)


def _passes_maintenance(alert: Alert) -> bool:
    notice = alert.type is AlertType.AGENT_DEGRADED and alert.labels.get("component") == NODE
    return alert.type in JOB_STATES or alert.report is not None or notice


def matches(patterns: Mapping[str, str], alert: Alert) -> bool:
    """Whether every pattern (a value or a glob) matches; a missing label counts as empty."""
    known = {"type": str(alert.type), "severity": str(alert.severity), "job": alert.job_id or "", **alert.labels}
    return all(fnmatchcase(known.get(key, ""), pattern) for key, pattern in patterns.items())
