"""After an outage: what has piled up for a channel is told in one digest, but for what is critical and goes on."""

from collections.abc import Mapping, Sequence

from agent.core.clock import MINUTE
from agent.core.model import Alert, ChannelState, Delivery, NotificationKind, Severity, Status

MOST_ROWS = 20
LONGEST_WAIT = 30 * MINUTE
"""More waiting rows, or an older one, are told together (alerting reference, R-9.8)."""
MOST_SINGLE = 6
"""Critical alerts told by themselves: as many as a burst."""


def piled_up(state: ChannelState, rows: Sequence[Delivery], now: int) -> bool:
    """Whether a channel that has just worked again was away for long enough, by its state from before and its queue."""
    if state.failing_since is None or len(rows) < 2:  # noqa: PLR2004 - one is told as itself
        return False
    return len(rows) > MOST_ROWS or now - min(row.created_at for row in rows) > LONGEST_WAIT


def merged(rows: Sequence[Delivery], alerts: Mapping[str, Alert]) -> list[Delivery]:
    """The rows that a digest is to tell: all but a few that are critical and still firing. `alerts` are by id."""
    single = [row for row in rows if _urgent(row, alerts.get(row.alert_id, row.snapshot))][:MOST_SINGLE]
    alone = {row.id for row in single}
    return [row for row in rows if row.id not in alone and row.kind is not NotificationKind.REPORT]


def _urgent(row: Delivery, alert: Alert) -> bool:
    return row.severity is Severity.CRITICAL and alert.status is Status.FIRING
