"""What is sent past the outbox while the store refuses: a few critical deliveries, in memory, within a bound."""

import threading
from collections import deque

from agent.core.model import Delivery
from agent.core.ports import Receipt

LIMIT = 1_000
"""Deliveries and receipts kept for one channel; beyond it the oldest give way."""


class DirectQueue:
    """One channel's deliveries that cannot be stored, and the receipts that cannot be settled yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Delivery] = deque(maxlen=LIMIT)
        self._receipts: dict[str, Receipt] = {}

    def put(self, delivery: Delivery) -> None:
        """Add a delivery, to be sent once its `next_at` has come."""
        with self._lock:
            self._waiting.append(delivery)

    def take(self, now: int) -> Delivery | None:
        """Take the first due delivery."""
        with self._lock:
            due = next((item for item in self._waiting if item.next_at <= now), None)
            if due is not None:
                self._waiting.remove(due)
            return due

    def accept(self, delivery_id: str, receipt: Receipt) -> None:
        """Remember that the provider took it, so that the stored row is settled and not sent again."""
        with self._lock:
            self._receipts[delivery_id] = receipt
            while len(self._receipts) > LIMIT:
                self._receipts.pop(next(iter(self._receipts)))

    def receipt(self, delivery_id: str) -> Receipt | None:
        """The receipt of a delivery that was sent directly."""
        with self._lock:
            return self._receipts.get(delivery_id)

    def forget(self, delivery_id: str) -> None:
        """The row is settled."""
        with self._lock:
            self._receipts.pop(delivery_id, None)
