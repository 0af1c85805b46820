"""What each channel has been told of each fingerprint, and how each channel fares."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from agent.core.model import ChannelState, Ledger, NotificationKind, Severity
from agent.store.errors import Undecodable
from agent.store.rows import dump, printable

_LEDGER = (
    "fingerprint", "channel", "alert_id", "open_announced", "last_accepted_at", "last_accepted_kind",
    "last_accepted_severity", "last_fired_at", "provider_ref",
)
_STATE = (
    "channel", "paused_until", "reason", "detail", "failures", "failing_since", "last_success_at", "last_failure_at",
    "failure_count",
)


def load(conn: sqlite3.Connection, fingerprints: Iterable[str]) -> dict[tuple[str, str], Ledger]:
    """The ledgers of these fingerprints by (fingerprint, channel); a channel that was told nothing has none."""
    found = conn.execute(
        f"SELECT {', '.join(_LEDGER)} FROM channel_ledger "  # noqa: S608 - constants only
        "WHERE fingerprint IN (SELECT value FROM json_each(?))",
        (dump(list(fingerprints)),),
    )
    ledgers = [_ledger(row) for row in found]
    return {(ledger.fingerprint, ledger.channel): ledger for ledger in ledgers}


def open_on(conn: sqlite3.Connection, channel: str, since: int) -> list[Ledger]:
    """What a channel holds open, and what it was told at or after `since` (UTC milliseconds) that it is over."""
    found = conn.execute(
        f"SELECT {', '.join(_LEDGER)} FROM channel_ledger WHERE channel = ? "  # noqa: S608 - constants only
        "AND (open_announced OR (last_accepted_kind = 'resolved' AND last_accepted_at >= ?))",
        (channel, since),
    )
    return [_ledger(row) for row in found]


def save(conn: sqlite3.Connection, ledger: Ledger) -> None:
    """Store a ledger in place of the former one."""
    conn.execute(
        _upsert("channel_ledger", _LEDGER, keys=2),
        (
            ledger.fingerprint, ledger.channel, ledger.alert_id, ledger.open_announced, ledger.last_accepted_at,
            ledger.last_accepted_kind, ledger.last_accepted_severity, ledger.last_fired_at,
            printable(ledger.provider_ref),
        ),
    )


def channel_states(conn: sqlite3.Connection) -> dict[str, ChannelState]:
    """The state of every channel that has ever been used, by name."""
    found = conn.execute(f"SELECT {', '.join(_STATE)} FROM channel_state")  # noqa: S608 - constants only
    return {row[0]: ChannelState(*row) for row in found}


def save_channel_state(conn: sqlite3.Connection, state: ChannelState) -> None:
    """Store a channel's state in place of the former one."""
    conn.execute(
        _upsert("channel_state", _STATE, keys=1),
        (
            state.channel, state.paused_until, printable(state.reason), printable(state.detail), state.failures,
            state.failing_since, state.last_success_at, state.last_failure_at, state.failure_count,
        ),
    )


def _ledger(row: Sequence[Any]) -> Ledger:
    """Built by hand: every round of policy reads many."""
    fingerprint, channel, alert_id, announced, accepted_at, kind, severity, *rest = row
    try:
        kind, severity = kind and NotificationKind(kind), severity and Severity(severity)
    except ValueError as error:
        raise Undecodable(f"ledger of {fingerprint} on {channel}: {error}") from error
    return Ledger(fingerprint, channel, alert_id, bool(announced), accepted_at, kind, severity, *rest)


def _upsert(table: str, columns: tuple[str, ...], keys: int) -> str:
    """An INSERT that overwrites; the first `keys` columns are the primary key."""
    places = ", ".join("?" * len(columns))
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[keys:])
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) "  # noqa: S608 - constants only
        f"ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {changes}"
    )
