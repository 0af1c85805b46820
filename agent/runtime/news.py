"""What a delivery has to tell at the moment of sending, and what its channel knows once it is told."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from agent.core import picture, retry
from agent.core import report_chart as report_charts
from agent.core.chart import Chart
from agent.core.digest import Digest
from agent.core.model import Alert, Delivery, Hold, Json, Ledger, NotificationKind, Status
from agent.core.ports import Receipt
from agent.core.recurrence import Recurrence, look_back, recurrence
from agent.core.references import NOTHING_KNOWN, References
from agent.store import alerts, digests, disk_hours, gpu_hours, jobs, ledger, references
from agent.store.errors import Undecodable


class Member(NamedTuple):
    """One delivery that a digest tells, and its alert as it stands."""

    row: Delivery
    alert: Alert
    recurrence: Recurrence | None


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
    recurrence: Recurrence | None = None
    """How often its condition came and went since the channel was told of it."""

    @property
    def nothing(self) -> bool:
        """Whether all that a digest was to tell has been told otherwise."""
        return self.row.kind is NotificationKind.DIGEST and not self.members

    def too_old(self, now: int) -> bool:
        """Whether it has outlived its use: a digest has, when all that it tells has; it takes more while it waits."""
        rows = [member.row for member in self.members] or [self.row]
        return all(retry.too_old(row, now) for row in rows)

    @property
    def digest(self) -> Digest:
        """What the digest is about."""
        rows = [member.row for member in self.members]
        holds = {Hold(row.reason) for row in rows if row.reason in set(Hold)}
        return Digest(
            self.row.id, [member.alert for member in self.members],
            why=holds.pop() if len(holds) == 1 else None,
            since=min(row.created_at for row in rows),
            until=max(self.row.created_at, *(row.next_at for row in rows)),
            recurrences={item.alert.id: item.recurrence for item in self.members if item.recurrence is not None},
        )  # fmt: skip


def look(conn: sqlite3.Connection, row: Delivery, *, stateful: bool = False, pictures: bool = False) -> News:
    """Read what a delivery has to tell now; with `pictures`, what to draw as well.

    A `stateful` channel shows how a condition stands, and not what it did meanwhile.
    """
    if row.kind is NotificationKind.DIGEST:
        return News(row, row.snapshot, members=tuple(_member(conn, item) for item in digests.members(conn, row.id)))
    alert = _alert(conn, row)
    return News(
        row, alert, references.load(conn, row, _ledger(conn, row)),
        chart=_chart(conn, alert, row) if pictures else None,
        recurrence=None if stateful else _recurrence(conn, row, alert),
    )  # fmt: skip


def _member(conn: sqlite3.Connection, row: Delivery) -> Member:
    alert = _alert(conn, row)
    return Member(row, alert, _recurrence(conn, row, alert))


def _alert(conn: sqlite3.Connection, row: Delivery) -> Alert:
    return alerts.get(conn, row.alert_id) or row.snapshot


def _recurrence(conn: sqlite3.Connection, row: Delivery, alert: Alert) -> Recurrence | None:
    if alert.status is Status.EVENT:
        return None
    return recurrence(alert, _ledger(conn, row), alerts.going_on(conn, alert.fingerprint, look_back(alert)))


def _chart(conn: sqlite3.Connection, alert: Alert, row: Delivery) -> Chart | None:
    if row.plain or not picture.pictured(alert, row.kind):
        return None
    try:
        return report_chart(conn, alert.report) if alert.report is not None else _of_a_run(conn, alert)
    except Undecodable:  # a picture is no reason to hold a message back
        return None


def _of_a_run(conn: sqlite3.Connection, alert: Alert) -> Chart | None:
    job = jobs.get(conn, alert.job_id or "")
    return None if job is None else picture.before(alert, job, jobs.curve(conn, job.id))


def report_chart(conn: sqlite3.Connection, report: Mapping[str, Json]) -> Chart | None:
    """What to draw of the period of a report, as `core.report` builds it."""
    since, until = period = report_charts.span(report)
    return report_charts.chart(period, gpu_hours.by_hour(conn, since, until), disk_hours.rooms(conn, since, until))


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
