"""Turns live alerts into deliveries and commits the round; when the store refuses, critical ones go out directly."""

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from agent.core.bounded import bounded
from agent.core.clock import DAY, Instant
from agent.core.clock_steps import GRACE
from agent.core.docket import Docket
from agent.core.model import Delivery, DeliveryState, NotificationKind
from agent.core.policy import affected
from agent.core.policy.cooldown import RECURRENCE_WINDOW
from agent.core.policy.decided import Plan
from agent.core.policy.model import Context, Recipient, Rules
from agent.core.policy.owed import UNSENT
from agent.core.policy.plan import plan
from agent.runtime.board import Board
from agent.runtime.changes import Changes, store
from agent.runtime.direct import DirectWay, urgent
from agent.runtime.log import event
from agent.runtime.metrics import Metrics
from agent.store import alerts, backlog, clock, deliveries, digests, ledger, limits, silences
from agent.store.database import Database
from agent.store.errors import StoreError, StoreFull

UNSAVED_LIMIT = 1_000
"""Deliveries in memory beyond which no more events are taken while the store refuses; they wait at their source."""

_log = logging.getLogger(__name__)


class Dispatch:
    """Plans deliveries of a docket's alerts and stores what a round came to, in one transaction."""

    def __init__(
        self, database: Database, board: Board, metrics: Metrics, *,
        announce: Callable[[Iterable[str]], None], direct: DirectWay,
    ) -> None:
        """`announce` rings the notifiers of the named channels; `direct` leads past the outbox."""
        self._db = database
        self._board = board
        self._metrics = metrics
        self._announce = announce
        self._direct = direct
        self._unsaved = Changes()
        self._freed: list[Delivery] = []
        """What the last round let go that had waited."""
        self._seen_version = -1
        self._due_at = 0

    def reconsider(self) -> None:
        """Plan anew in the next round, whatever has changed or not."""
        self._due_at = 0

    @property
    def due_at(self) -> int:
        """When something falls due by itself, UTC milliseconds."""
        return self._due_at

    @property
    def room(self) -> bool:
        """Whether more may be decided that cannot be stored at present."""
        return len(self._unsaved.inserts) < UNSAVED_LIMIT

    def decide(
        self, changes: Changes, docket: Docket, recipients: Sequence[Recipient], rules: Rules, now: int
    ) -> None:
        """Add to `changes` what is owed to whom, unless nothing has changed since the last look."""
        version = self._db.data_version()
        if not changes.alerts and version == self._seen_version and now < self._due_at:
            return
        if version != self._seen_version:
            # Somebody else has committed, perhaps a person who wants what waits to be tried again.
            self._announce(item.name for item in recipients)
        self._seen_version = version
        result = self._plan(docket, recipients, rules, now)
        changes.inserts += result.inserts
        changes.moves += result.changes
        changes.decisions += result.decisions
        changes.buckets |= result.buckets
        changes.groups |= result.groups
        _name_affected(docket, changes, result)
        self._due_at = result.wake_at if result.wake_at is not None else now + DAY
        self._metrics.planned(result)

    def commit(self, changes: Changes, now: Instant) -> None:
        """Store the round together with what could not be stored before it."""
        self._unsaved.merge(changes)
        if not self._unsaved:
            return
        waiting = self._unsaved
        try:
            self._db.write(lambda conn: store(conn, waiting))
        except StoreError as error:
            self._go_direct(changes, error, now)
            return
        self._unsaved = Changes()
        self._direct.withdraw()
        self._board.store_worked()
        self._announce({row.channel for row in waiting.inserts} | {move.channel for move in waiting.moves})

    def _plan(self, docket: Docket, recipients: Sequence[Recipient], rules: Rules, now: int) -> Plan:
        """Decide on one unchanging view of the store, and what it could not take yet."""
        if not docket.live:
            return Plan()
        marks = {alert.fingerprint for alert in docket.live.values()}

        def body(conn: sqlite3.Connection) -> Plan:
            rows = self._as_they_stand([*deliveries.of_live(conn, docket.live), *self._unsaved.inserts])
            grouped: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
            for row in rows:
                if row.kind is not NotificationKind.DIGEST:  # it is about others besides the alert it is filed under
                    grouped[row.alert_id, row.channel].append(row)
            context = self._context(conn, docket, rules, now)
            result = plan(docket.live.values(), recipients, ledger.load(conn, marks), grouped, context, now)
            docket.settle((*rows, *result.inserts))
            freed = {change.delivery_id: change for change in result.changes if change.state is DeliveryState.QUEUED}
            self._freed = [freed[row.id].of(row) for row in rows if row.id in freed]
            return result

        return self._db.read(body)

    def _as_they_stand(self, rows: list[Delivery]) -> list[Delivery]:
        """The rows with what could not be stored of them: where they were moved, and what is sent past the store."""
        moves = {move.delivery_id: move for move in self._unsaved.moves}
        rows = [moves[row.id].of(row) if row.id in moves and row.state in UNSENT else row for row in rows]
        if not self._direct.used:
            return rows
        return [replace(row, state=DeliveryState.SENDING) if self._direct.goes(row) else row for row in rows]

    def _context(self, conn: sqlite3.Connection, docket: Docket, rules: Rules, now: int) -> Context:
        """What the stages may look at besides the alert itself, with what could not be stored yet."""
        marks = (alert.fingerprint for alert in docket.episodes)
        return Context(
            rules, silences.load(conn), docket.live,
            buckets=limits.buckets(conn) | self._unsaved.buckets,
            groups=limits.groups(conn) | self._unsaved.groups,
            episodes=alerts.episodes_since(conn, marks, now - RECURRENCE_WINDOW),
            count=lambda *which: deliveries.count(conn, *which) + self._unsaved_rows(*which),
            open_rows=sum(count for _, _, count in backlog.lengths(conn)),
            digests=digests.unfinished(conn) | _digests(self._unsaved.inserts),
            clock_set=clock.set_lately(conn, now, GRACE),
        )  # fmt: skip

    def _unsaved_rows(self, alert_id: str, channel: str, kind: NotificationKind) -> int:
        rows = self._unsaved.inserts
        return sum((row.alert_id, row.channel, row.kind) == (alert_id, channel, kind) for row in rows)

    def _go_direct(self, changes: Changes, error: StoreError, now: Instant) -> None:
        """Without a store, send what is critical at once; the rest waits in memory, within a bound."""
        if self._board.store_trouble() is None:
            event(_log, logging.ERROR, "the store refuses; critical alerts go out directly", reason=str(error))
        self._board.store_failed(str(error), now, full=isinstance(error, StoreFull))
        ready = urgent(row for row in (*changes.inserts, *self._freed) if row.state is DeliveryState.QUEUED)
        self._direct.withhold(move.delivery_id for move in self._unsaved.moves)
        for row in ready:
            self._direct.put(row)
        self._freed = []
        self._announce({row.channel for row in ready})


def _name_affected(docket: Docket, changes: Changes, result: Plan) -> None:
    """Let an alert name what it explains, so that its message does."""
    for alert_id, titles in result.affected.items():
        source = docket.live.get(alert_id)
        if source is not None:
            docket.live[alert_id] = changes.alerts[alert_id] = bounded(affected.naming(source, titles))


def _digests(rows: Iterable[Delivery]) -> dict[str, Delivery]:
    return {row.id: row for row in rows if row.kind is NotificationKind.DIGEST}
