"""What is sent past the outbox while the store refuses: a few critical deliveries, in memory, within a bound."""

import threading
from collections import deque
from collections.abc import Iterable

from agent.core.model import Delivery, NotificationKind, Severity
from agent.core.ports import Receipt

LIMIT = 1_000
"""Deliveries that wait for one channel, and receipts of all; beyond it the oldest give way."""


def urgent(rows: Iterable[Delivery]) -> list[Delivery]:
    """Those that go past a store that refuses; what a digest would tell is not at hand without it."""
    return [row for row in rows if row.severity is Severity.CRITICAL and row.kind is not NotificationKind.DIGEST]


class DirectWay:
    """The deliveries of all channels that cannot be stored, and the receipts that cannot be settled yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Delivery]] = {}
        self._taken: set[str] = set()
        """What is being sent."""
        self._receipts: dict[str, Receipt] = {}
        self._withheld: set[str] = set()

    def put(self, delivery: Delivery) -> None:
        """Add a delivery, to be sent once its `next_at` has come."""
        with self._lock:
            self._taken.discard(delivery.id)
            self._waiting.setdefault(delivery.channel, deque(maxlen=LIMIT)).append(delivery)

    def take(self, channel: str, now: int) -> Delivery | None:
        """Take the first delivery that is due on a channel."""
        with self._lock:
            waiting = self._waiting.get(channel, ())
            due = next((item for item in waiting if item.next_at <= now), None)
            if due is not None:
                self._waiting[channel].remove(due)
                self._taken.add(due.id)
            return due

    def accept(self, delivery_id: str, receipt: Receipt) -> None:
        """Remember that the provider took it, so that the stored row is settled and not sent again."""
        with self._lock:
            self._taken.discard(delivery_id)
            self._receipts[delivery_id] = receipt
            while len(self._receipts) > LIMIT:
                self._receipts.pop(next(iter(self._receipts)))

    def receipt(self, delivery_id: str) -> Receipt | None:
        """The receipt of a delivery that was sent this way."""
        with self._lock:
            return self._receipts.get(delivery_id)

    def withhold(self, delivery_ids: Iterable[str]) -> None:
        """These deliveries are decided otherwise, which could not be stored: they do not go this way."""
        with self._lock:
            self._withheld.update(delivery_ids)

    def withdraw(self) -> None:
        """The store works again: what was not sent yet goes the usual way."""
        with self._lock:
            self._waiting.clear()
            self._withheld.clear()

    @property
    def used(self) -> bool:
        """Whether anything goes, or went, this way and is not settled yet."""
        return bool(self._receipts or self._taken or any(self._waiting.values()))

    def goes(self, delivery: Delivery) -> bool:
        """Whether this delivery has been sent this way, or is about to be: its row says nothing of that yet."""
        with self._lock:
            waits = any(item.id == delivery.id for item in self._waiting.get(delivery.channel, ()))
            return waits or delivery.id in self._receipts or delivery.id in self._taken

    def may_go(self, delivery: Delivery) -> bool:
        """Whether this delivery, of which the store says that it waits, may go this way."""
        return not self.goes(delivery) and delivery.id not in self._withheld

    def forget(self, delivery: Delivery) -> None:
        """The row is settled."""
        with self._lock:
            self._receipts.pop(delivery.id, None)
            waiting = self._waiting.pop(delivery.channel, ())
            self._waiting[delivery.channel] = deque((item for item in waiting if item.id != delivery.id), LIMIT)
