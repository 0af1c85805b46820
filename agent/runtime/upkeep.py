"""What a channel needs beside its messages: asking whether it is mended, reminding a receiver that forgets."""

import logging
import math
import sqlite3
from collections.abc import Callable

from agent.core import retry
from agent.core.clock import MINUTE, Instant
from agent.core.message import Message
from agent.core.model import Alert, ChannelState, DeliveryState, NotificationKind, Status
from agent.core.policy.delivery import address
from agent.core.ports import Probing, Refreshing, SendError, SendErrorKind
from agent.runtime import recovery
from agent.runtime.log import event
from agent.runtime.news import News
from agent.runtime.outlet import Compose, Outlet
from agent.runtime.worker import attempt
from agent.store import alerts, ledger
from agent.store.database import Database

RESOLVED_FOR = 15 * MINUTE
"""How long a receiver that forgets is told again that something is over (alerting reference, section 13)."""

_log = logging.getLogger(__name__)


class Upkeep:
    """Asks and reminds one channel's receiver. A channel that needs neither costs nothing."""

    def __init__(self, outlet: Outlet, compose: Compose) -> None:
        self._outlet = outlet
        self._compose = compose
        # Asked once: to look at an object for a protocol takes long, and every step of a notifier would.
        self._refreshing = outlet.channel if isinstance(outlet.channel, Refreshing) else None
        self._remind_at = -math.inf  # at once: an earlier process may have been away for long

    def remind(self, database: Database, now: Instant) -> float:
        """Tell again what is open, if it is time to; returns the seconds until it is the next time."""
        channel = self._refreshing
        if channel is None:
            return math.inf
        if now.monotonic >= self._remind_at:
            self._remind_at = now.monotonic + channel.refresh_every
            messages = self._open(database, now.wall)
            if messages:
                self._note(database, now.wall, lambda: channel.refresh(messages, now.wall))
        return self._remind_at - now.monotonic

    def ask(self, database: Database, state: ChannelState, now: int, *, waits: bool) -> bool:
        """Ask a channel whose pause is over whether it would take messages again.

        A yes proves little where a message `waits`: only its delivery then counts as the end of the trouble.
        """
        channel = self._outlet.channel
        if state.paused_until is None or not state.failures or not isinstance(channel, Probing):
            return True
        return self._note(database, now, channel.probe, proof=not waits)

    def _open(self, database: Database, now: int) -> list[Message]:
        name = self._outlet.name

        def body(conn: sqlite3.Connection) -> list[Alert]:
            told = ledger.open_on(conn, name, now - RESOLVED_FOR)
            return alerts.by_ids(conn, [item.alert_id for item in told if item.alert_id is not None])

        return [self._message(alert, now) for alert in database.read(body)]

    def _message(self, alert: Alert, now: int) -> Message:
        over = alert.status is Status.RESOLVED or alert.ends_at is not None
        kind = NotificationKind.RESOLVED if over else NotificationKind.REPEATED
        row = address(
            alert, kind, 0, channel=self._outlet.name, channel_type=self._outlet.type, state=DeliveryState.DELIVERED,
            at=now,
        )  # fmt: skip
        return self._compose(News(row, alert), now)

    def _note(self, database: Database, now: int, call: Callable[[], object], *, proof: bool = True) -> bool:
        """Make a call and remember in the channel's state what came of it."""
        result = attempt_send(call)
        name = self._outlet.name
        if result is not None:
            event(_log, logging.WARNING, "a channel does not answer as it should", channel=name, detail=result.detail)

        def body(conn: sqlite3.Connection) -> None:
            state = ledger.channel_states(conn).get(name, ChannelState(name))
            well = retry.mended(state) if proof else state
            after = well if result is None else retry.after_probe(result, state, now)
            if after != state:
                ledger.save_channel_state(conn, after)
            if result is None:
                recovery.try_others(conn, state, now)

        database.write(body)
        return result is None


def attempt_send(call: Callable[[], object]) -> SendError | None:
    """Make a call; what it raises beside SendError is a bug, told of in the log and taken as a passing failure."""
    result = attempt(call)
    if not isinstance(result, Exception) or isinstance(result, SendError):
        return result if isinstance(result, SendError) else None
    event(_log, logging.ERROR, "a channel failed while it was looked after", error=result)
    return SendError(SendErrorKind.RETRY, type(result).__name__, reason="other")
