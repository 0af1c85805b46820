"""What a delivery has to tell at the moment of sending, and what its channel knows once it is told."""

import sqlite3
from dataclasses import dataclass, replace
from typing import NamedTuple

from agent.core import picture
from agent.core.chart import Chart
from agent.core.digest import Digest
from agent.core.model import Alert, Delivery, Hold, Ledger, NotificationKind, Status
from agent.core.ports import Receipt
from agent.core.references import NOTHING_KNOWN, References
from agent.store import alerts, digests, jobs, ledger, references
from agent.store.errors import Undecodable


class Member(NamedTuple):
    """One delivery that a digest tells, and its alert as it stands."""

    row: Delivery
    alert: Alert


@dataclass(frozen=True, slots=True)
class News:
    """One delivery with its alert as it stands, so that a late message tells the present state."""

    row: Delivery
    alert: Alert
    references: References = NOTHING_KNOWN
    """What the provider called earlier things."""
    members: tuple[Member, ...] = ()
    """What a digest tells."""
    chart: Chart | None = None
    """What led to the alert, where a picture of it is wanted."""

    @property
    def nothing(self) -> bool:
        """Whether all that a digest was to tell has been told otherwise."""
        return self.row.kind is NotificationKind.DIGEST and not self.members

    @property
    def digest(self) -> Digest:
        """What the digest is about."""
        rows = [member.row for member in self.members]
        why = next((Hold(row.reason) for row in rows if row.reason in set(Hold)), Hold.OUTAGE)
        since = min(row.created_at for row in rows)
        return Digest(self.row.id, [member.alert for member in self.members], why, since, self.row.created_at)


def look(conn: sqlite3.Connection, row: Delivery, *, pictures: bool = False) -> News:
    """Read what a delivery has to tell now; with `pictures`, what to draw as well."""
    if row.kind is NotificationKind.DIGEST:
        told = digests.members(conn, row.id)
        members = tuple(Member(item, alerts.get(conn, item.alert_id) or item.snapshot) for item in told)
        return News(row, row.snapshot, members=members)
    known = references.load(conn, row, _ledger(conn, row))
    alert = alerts.get(conn, row.alert_id) or row.snapshot
    return News(row, alert, known, chart=_chart(conn, alert, row) if pictures else None)


def _chart(conn: sqlite3.Connection, alert: Alert, row: Delivery) -> Chart | None:
    if row.plain or alert.job_id is None or not picture.pictured(alert, row.kind):
        return None
    try:
        job = jobs.get(conn, alert.job_id)
        return None if job is None else picture.before(alert, job, jobs.curve(conn, job.id))
    except Undecodable:  # a picture is no reason to hold a message back
        return None


def told(conn: sqlite3.Connection, news: News, receipt: Receipt, now: int) -> None:
    """Note what the channel knows, now that it took the message."""
    row = news.row
    references.save(conn, row, receipt, now)
    if row.kind is not NotificationKind.DIGEST:
        ledger.save(conn, accepted(_ledger(conn, row), row, now, receipt.ref))
        return
    digests.told(conn, row.id, [member.row.id for member in news.members], now)
    for member in news.members:
        over = member.alert.status is Status.RESOLVED
        kind = NotificationKind.RESOLVED if over else NotificationKind.FIRED
        as_told = replace(member.row, kind=kind, severity=member.alert.severity)
        ledger.save(conn, accepted(_ledger(conn, member.row), as_told, now))


def accepted(before: Ledger, row: Delivery, now: int, reference: str | None = None) -> Ledger:
    """What the channel knows after it took this delivery at `now`, for which the provider gave its own `reference`."""
    resolved = row.kind is NotificationKind.RESOLVED
    fired = row.kind in (NotificationKind.FIRED, NotificationKind.ESCALATED)
    if resolved and before.open_announced and before.alert_id != row.alert_id:
        return replace(before, last_accepted_at=now)  # the end of an earlier episode, told after a new one began
    return replace(
        before,
        alert_id=row.alert_id,
        open_announced=not resolved,
        last_accepted_at=now,
        last_accepted_kind=row.kind,
        last_accepted_severity=row.severity,
        last_fired_at=now if fired else before.last_fired_at,
        provider_ref=reference or (before.provider_ref if before.alert_id == row.alert_id else None),
    )


def _ledger(conn: sqlite3.Connection, row: Delivery) -> Ledger:
    known = ledger.load(conn, [row.fingerprint]).get((row.fingerprint, row.channel))
    return known or Ledger(row.fingerprint, row.channel)
