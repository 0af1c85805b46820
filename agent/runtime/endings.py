"""Ends one-shot alerts that channels hold open, such as an incident about a failed job."""

from collections.abc import Sequence

from agent.core.docket import Docket
from agent.core.model import Alert, Status
from agent.core.policy.held import ended_by
from agent.core.policy.model import Recipient, Rules
from agent.store import alerts
from agent.store.database import Database


def by_hand(alert_id: str, docket: Docket, database: Database, at: int) -> list[Alert]:
    """End one that a person names; nothing, if it is none or over already. `at` is in UTC milliseconds."""
    alert = docket.live.get(alert_id) or database.read(lambda conn: alerts.get(conn, alert_id))
    if alert is None or alert.status is not Status.EVENT or alert.ends_at is not None:
        return []
    return [docket.end(alert, at)]


def by_alert(
    end: Alert, docket: Docket, database: Database, recipients: Sequence[Recipient], rules: Rules
) -> list[Alert]:
    """End those about the same job that are over with this alert."""
    types, job_id = ended_by(end, recipients, rules), end.job_id
    if not types or job_id is None:
        return []
    stored = database.read(lambda conn: alerts.open_one_shots(conn, job_id))
    return [docket.end(alert, end.starts_at) for alert in docket.held(job_id, types, stored)]
