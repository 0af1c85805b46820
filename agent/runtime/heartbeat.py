"""Tells a URL regularly that all is well, or that it is not. Whoever listens there notices when nothing comes."""

import logging
from collections.abc import Callable

from agent.core import vital_signs
from agent.core.clock import Instant
from agent.core.ports import SendError
from agent.runtime.board import Board
from agent.runtime.log import event
from agent.runtime.metrics import Metrics
from agent.runtime.worker import Next, attempt
from agent.store import ledger
from agent.store.database import Database
from agent.store.errors import StoreError

FIRST_AFTER = 30.0
"""Seconds from the start to the first sign, by when every part has had a turn."""

_log = logging.getLogger(__name__)


class Heartbeat:
    """`step` is a worker's step. `ping` sends one sign, of health (True) or of trouble; it raises SendError."""

    def __init__(
        self, ping: Callable[[bool], None], interval: float, open_database: Callable[[], Database], board: Board,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        self._ping = ping
        self._interval = interval
        self._open_database = open_database
        self._board = board
        self._metrics = metrics
        self._began: float | None = None

    def step(self, now: Instant) -> Next:
        """Give the sign that is due."""
        if self._began is None:
            self._began = now.monotonic
            return Next(min(FIRST_AFTER, self._interval))
        troubles = self.troubles(now)
        result = attempt(lambda: self._ping(not troubles))
        if isinstance(result, SendError):
            event(_log, logging.WARNING, "the heartbeat was not heard", reason=result.reason, detail=result.detail)
        elif isinstance(result, Exception):
            raise result
        elif troubles:
            event(_log, logging.WARNING, "the heartbeat tells of trouble", trouble="; ".join(troubles))
        else:
            self._metrics.heartbeat(now)
        return Next(self._interval)

    def troubles(self, now: Instant) -> list[str]:
        """What keeps the agent from saying that all is well."""
        beat, refused = self._board.heartbeat(), self._board.store_trouble()
        stuck = [health.name for health in self._board.healths() if health.source and health.stuck(now)]
        store = refused.text if refused is not None else None
        try:
            with self._open_database() as database:
                channels = list(database.read(ledger.channel_states).values())
        except StoreError as error:
            channels, store = [], str(error)
        silent_for = now.monotonic - beat if beat is not None else None
        return list(vital_signs.troubles(silent_for, store, stuck, channels, now.wall))
