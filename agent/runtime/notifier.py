"""One channel's way out: claim a row, commit, render, send, settle. Each channel has its own; none waits for another.

Delivery is at least once. A row is claimed under a lease before the network is touched and settled only while the
lease is held, so a crash at any instant leads to a repeat with the same id and never to a loss.
"""

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace

from agent.core import retry
from agent.core.clock import SECOND, Clock, Instant
from agent.core.clock_steps import GRACE
from agent.core.message import Message, fallback
from agent.core.model import ChannelState, Delivery, DeliveryState, NotificationKind
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.record import WHY
from agent.core.retry import Settled
from agent.runtime import news, recovery
from agent.runtime.direct import DirectWay, urgent
from agent.runtime.log import event
from agent.runtime.metrics import Metrics
from agent.runtime.news import News
from agent.runtime.outlet import Compose, Outlet
from agent.runtime.upkeep import Upkeep
from agent.runtime.worker import Next, attempt
from agent.store import clock, deliveries, digests, ledger, outbox
from agent.store.database import Database
from agent.store.errors import StoreError
from agent.store.outbox import Settlement

LEASE_MARGIN = 30 * SECOND
"""A lease outlasts the longest send by this much."""
IDLE = 60.0
"""Seconds until the outbox is looked at without a bell."""
STORE_RETRY = 1.0
"""Seconds until a store that refuses is asked again."""
NOT_DURABLE = "not durable: the state disk is full"

_log = logging.getLogger(__name__)


class Notifier:
    """Drains one channel's outbox; `step` is a worker's step."""

    def __init__(
        self, outlet: Outlet, owner: str, open_database: Callable[[], Database], clock: Clock, metrics: Metrics,
        compose: Compose, *, settled: Callable[[], None], direct: DirectWay,
    ) -> None:
        """`owner` names this process and notifier in leases; `settled` wakes the evaluator."""
        self._outlet = outlet
        self._owner = owner
        self._open_database = open_database
        self._database: Database | None = None
        self._clock = clock
        self._metrics = metrics
        self._compose = compose
        self._settled = settled
        self._direct = direct
        self._upkeep = Upkeep(outlet, compose)

    @property
    def _db(self) -> Database:
        """The connection, opened by the thread that uses it."""
        if self._database is None:
            self._database = self._open_database()
        return self._database

    def step(self, now: Instant) -> Next:
        """Send at most one message; the next step follows at once while more are due."""
        row = self._direct.take(self._outlet.name, now.wall)
        if row is not None:
            self._send_directly(row)
            return Next(0.0)
        try:
            reminded = self._upkeep.remind(self._db, now)
            return Next(min(reminded, self._send_next(now.wall)))
        except StoreError as error:
            event(_log, logging.DEBUG, "the outbox cannot be used", channel=self._outlet.name, reason=str(error))
            return Next(0.0 if self._take_past_the_store(now.wall) else STORE_RETRY)

    def close(self) -> None:
        """Let go of the channel and the store."""
        self._outlet.channel.close()
        if self._database is not None:
            self._database.close()

    def _send_next(self, now: int) -> float:
        """Send the next due row; returns the seconds until another is due."""
        due, state = self._db.read(lambda conn: (outbox.next_due(conn, self._outlet.name), self._state(conn)))
        ready = max(due if due is not None else now, state.paused_until or 0)
        if ready > now:
            return min(IDLE, (ready - now) / SECOND)
        if not self._upkeep.ask(self._db, state, now, waits=due is not None):
            self._settled()
            return 0.0
        if due is None:
            return IDLE
        lease = int(self._outlet.timeout * SECOND) + LEASE_MARGIN
        row = self._db.write(lambda conn: outbox.claim(conn, self._outlet.name, self._owner, now, lease))
        if row is not None:
            self._deliver(row, now)
        return 0.0 if row is not None else IDLE

    def _deliver(self, row: Delivery, now: int) -> None:
        receipt = self._direct.receipt(row.id)
        stateful, pictures = not self._outlet.digests, self._outlet.pictures
        found = self._db.read(lambda conn: news.look(conn, row, stateful=stateful, pictures=pictures))
        if found.nothing:
            self._settle_failure(row, retry.superfluous(row, now), None, None)
            return
        if receipt is None and found.too_old(now) and not self._just_set(now):
            self._metrics.given_up(self._outlet.name, self._outlet.type, "too_old")
            self._settle_failure(row, retry.given_up(row, now), None, None)
            return
        try:
            receipt = receipt or self._send(found)
        except SendError as error:
            self._fail(row, error)
        else:
            self._succeed(found, receipt)

    def _just_set(self, now: int) -> bool:
        """Whether the clock was set a moment ago, so that no age means much."""
        return self._db.read(lambda conn: clock.set_lately(conn, now, GRACE))

    def _send(self, found: News, mark: str | None = None) -> Receipt:
        """Render and send. A fault in rendering degrades to the built-in text. Raises SendError."""
        row, alert = found.row, found.alert
        now = self._clock.now().wall
        result = attempt(lambda: self._post(row, _marked(self._compose(found, now), mark)))
        if isinstance(result, Exception) and not isinstance(result, SendError):
            event(_log, logging.ERROR, "a message could not be rendered", error=result, delivery=row.id)
            self._metrics.failed(self._outlet.name, self._outlet.type, "render_error", dead=False)
            plain = fallback(
                alert, row.kind, now=now, reason=WHY[row.kind], node=alert.labels.get("node", "?"),
                recurrence=found.recurrence,
            )  # fmt: skip
            result = attempt(lambda: self._post(row, _marked(plain, mark)))
        if isinstance(result, Receipt):
            return result
        if isinstance(result, SendError):
            raise result
        raise SendError(SendErrorKind.REJECTED, "the message could not be rendered", reason="render_error")

    def _post(self, row: Delivery, message: Message) -> Receipt:
        started = self._clock.now().monotonic
        try:
            return self._outlet.channel.send(message, row.id)
        finally:
            self._metrics.attempted(self._outlet.name, self._outlet.type, self._clock.now().monotonic - started)

    def _succeed(self, found: News, receipt: Receipt) -> None:
        row = found.row
        # Remembered first: should the store refuse now, the row is settled later and not sent again.
        self._direct.accept(row.id, receipt)
        now = self._clock.now().wall
        done = Settlement(
            DeliveryState.DELIVERED, "delivered", now, status=receipt.status, provider_ref=receipt.ref
        )

        def body(conn: sqlite3.Connection) -> bool:
            if not outbox.settle(conn, row, self._owner, done):
                return False
            news.told(conn, found, receipt, now)
            state = self._state(conn)
            if self._outlet.digests:
                recovery.tell_together(conn, state, now, self._direct.goes)
            recovery.try_others(conn, state, now)
            ledger.save_channel_state(conn, retry.after_success(state, now))
            return True

        if self._db.write(body):
            self._direct.forget(row)
            self._metrics.delivered(self._outlet.name, self._outlet.type, (now - row.created_at) / SECOND)
            self._metrics.digested(self._outlet.name, len(found.members))
            event(_log, logging.INFO, "delivered", channel=self._outlet.name, alert=row.alert_id, delivery=row.id)
        self._settled()

    def _fail(self, row: Delivery, error: SendError) -> None:
        now = self._clock.now().wall
        state = self._db.read(self._state)
        settled, after = retry.after_failure(row, error, state, now)
        event(
            _log, logging.WARNING, "not delivered", channel=self._outlet.name, alert=row.alert_id, delivery=row.id,
            attempt=row.attempts, outcome=settled.outcome, reason=error.reason, detail=error.detail,
        )
        self._metrics.failed(self._outlet.name, self._outlet.type, error.reason, dead=not settled.state.open)
        self._settle_failure(row, settled, error, after)

    def _settle_failure(
        self, row: Delivery, settled: Settled, error: SendError | None, state: ChannelState | None
    ) -> None:
        outcome = Settlement(
            settled.state, settled.outcome, self._clock.now().wall, settled.reason, settled.next_at,
            error.detail if error else None, error.status if error else None, settled.plain, settled.uncertain,
        )

        def body(conn: sqlite3.Connection) -> None:
            outbox.settle(conn, row, self._owner, outcome)
            if row.kind is NotificationKind.DIGEST and not outcome.state.open:
                digests.share_the_end(conn, row.id, outcome.state, outcome.reason, outcome.at)
            if state is not None:
                ledger.save_channel_state(conn, state)

        self._db.write(body)
        if not outcome.state.open:
            self._direct.forget(row)
        self._settled()

    def _take_past_the_store(self, now: int) -> bool:
        """Whether anything critical is due in the outbox, where it cannot even be claimed: it is sent directly."""
        try:
            rows, state = self._db.read(lambda conn: (deliveries.queued(conn, self._outlet.name), self._state(conn)))
        except StoreError:
            return False
        if retry.paused(state, now):
            return False
        due = [row for row in urgent(rows) if row.next_at <= now and self._direct.may_go(row)]
        for row in due:
            self._direct.put(row)
        return bool(due)

    def _send_directly(self, row: Delivery) -> None:
        """Send past the outbox, which cannot be written. The receipt is kept until the row can be settled."""
        try:
            receipt = self._send(News(row, row.snapshot), mark=NOT_DURABLE)
        except SendError as error:
            event(_log, logging.WARNING, "not delivered directly", channel=self._outlet.name, detail=error.detail)
            now = self._clock.now().wall
            again = replace(row, attempts=row.attempts + 1)
            settled, _ = retry.after_failure(again, error, ChannelState(row.channel), now)
            # What is refused for good can only be given up where that can be written down.
            next_at = settled.next_at if settled.state.open else now + retry.CAP[row.severity]
            self._direct.put(replace(again, next_at=next_at, plain=settled.plain))
        else:
            self._direct.accept(row.id, receipt)

    def _state(self, conn: sqlite3.Connection) -> ChannelState:
        return ledger.channel_states(conn).get(self._outlet.name, ChannelState(self._outlet.name))


def _marked(message: Message, mark: str | None) -> Message:
    return message if mark is None else replace(message, footer=f"{message.footer} · {mark}")
