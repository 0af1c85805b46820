"""What providers called things: their message about an alert, their thread about a job, a channel's new address."""

import sqlite3

from agent.core.model import Delivery, Ledger
from agent.core.ports import Receipt
from agent.core.references import References
from agent.store.rows import printable

CHANNEL = "channel"


def load(conn: sqlite3.Connection, row: Delivery, ledger: Ledger | None) -> References:
    """What this delivery may go on from. A message about an earlier episode is none of them."""
    known = _known(conn, row.channel, (CHANNEL, _job(row)))
    same_alert = ledger is not None and ledger.alert_id == row.alert_id
    return References(ledger.provider_ref if ledger and same_alert else None, known.get(_job(row)), known.get(CHANNEL))


def save(conn: sqlite3.Connection, row: Delivery, receipt: Receipt, now: int) -> None:
    """Keep what the receipt says about the job and the channel; the ledger keeps what it says about the alert."""
    for about, ref in ((_job(row), receipt.job_ref), (CHANNEL, receipt.moved_to)):
        if about and ref is not None:
            conn.execute(
                "INSERT INTO channel_reference (channel, about, ref, at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (channel, about) DO UPDATE SET ref = excluded.ref, at = excluded.at",
                (row.channel, about, printable(ref), now),
            )


def forget(conn: sqlite3.Connection, before: int, limit: int) -> int:
    """Delete references to threads that were opened before `before` (UTC milliseconds); returns how many, at most."""
    return conn.execute(
        "DELETE FROM channel_reference WHERE (channel, about) IN "
        "(SELECT channel, about FROM channel_reference WHERE at < ? AND about <> ? LIMIT ?)",
        (before, CHANNEL, limit),
    ).rowcount


def _known(conn: sqlite3.Connection, channel: str, about: tuple[str, ...]) -> dict[str, str]:
    found = conn.execute(
        "SELECT about, ref FROM channel_reference WHERE channel = ? AND about IN (?, ?)", (channel, *about)
    )
    return dict(found.fetchall())


def _job(row: Delivery) -> str:
    return f"job:{row.snapshot.job_id}" if row.snapshot.job_id else ""
