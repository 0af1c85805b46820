"""What the running agent shows of itself: the answers behind the HTTP routes, and so behind `status`.

Puts together what the board and the store know; decides nothing and changes nothing.
"""

from collections.abc import Callable

from agent.core.clock import Clock
from agent.core.gpu_record import of_driver, of_gpu
from agent.core.model import Json
from agent.core.payload import rfc3339
from agent.core.record import HistoryQuery
from agent.runtime import status
from agent.runtime.board import Board
from agent.runtime.metrics_scrape import Snapshot
from agent.runtime.records import Records
from agent.runtime.showing import Showing
from agent.store.database import Database
from agent.store.errors import StoreError

ALIVE = 30.0
"""Seconds without a finished round after which the evaluator counts as stuck."""

Page = tuple[bytes, str]
"""A page and its content type."""


class AgentView:
    """The `View` of the web server. `healthy` and `ready` never block; the others read the store in any thread."""

    def __init__(
        self, board: Board, open_database: Callable[[], Database], clock: Clock, showing: Callable[[], Showing],
        version: str,
    ) -> None:  # fmt: skip
        """`showing` gives the settings in force. The agent's start is now."""
        self._records = Records(open_database, clock, showing)
        self._board = board
        self._clock = clock
        self._version = version
        self._started = clock.now()
        self.page: Callable[..., Page] = _no_page
        """Renders the metrics (`Metrics.page`); set once there are any, since they need `snapshot` first."""

    def snapshot(self) -> Snapshot:
        """What the metrics need of the store. Raises StoreError."""
        return self._records.snapshot()

    def summary(self) -> str:
        """The agent's state in one line, for the service manager; never raises."""
        try:
            known = self._records.overview()
        except StoreError as error:
            return f"the store cannot be read: {error}"
        waiting, dead = sum(known.lengths.values()), sum(known.dead.values())
        counts = {"jobs": len(known.running), "firing": len(known.firing), "waiting": waiting, "dead letters": dead}
        return ", ".join(f"{name} {count}" for name, count in counts.items())

    def metrics(self, *, openmetrics: bool) -> Page:
        """The metrics page and its content type."""
        return self.page(openmetrics=openmetrics)

    def healthy(self) -> bool:
        """Whether the evaluator still goes round."""
        return self._silent_for() <= ALIVE

    def ready(self) -> list[str]:
        """What keeps the agent from doing its work: the store, the evaluator, sources that have not begun."""
        trouble, reasons = self._board.store_trouble(), []
        if trouble is not None:
            reasons.append(f"store: {trouble.text}")
        if self._board.heartbeat() is None:
            reasons.append("evaluator: has not finished a round yet")
        elif not self.healthy():
            reasons.append(f"evaluator: has finished no round for {self._silent_for():.0f} s")
        waiting = [health.name for health in self._board.healths() if health.source and health.started is None]
        return [*reasons, *(f"source {name}: has not started" for name in waiting)]

    def status(self) -> dict[str, Json]:
        """What `status --json` prints: the stored part (`Records.status`), and what only a running agent knows.

        Besides: "gpus", "driver", "disks", "sources", "logs", "processes", "store": {"trouble", "since"}, "version",
        "started_at", "uptime_seconds".
        Times are RFC 3339, ages and intervals in seconds, shares in percent.
        """
        now, trouble, seen = self._clock.now(), self._board.store_trouble(), self._board.gpus.latest()
        return {
            **self._records.status(self._board.logs()),
            "running": True,
            "version": self._version,
            "started_at": rfc3339(self._started.wall),
            "uptime_seconds": round(now.monotonic - self._started.monotonic, 3),
            "gpus": [of_gpu(item) for item in seen.readings],
            "driver": of_driver(seen.driver),
            "disks": status.disks(self._board.samples_of("disk")),
            "sources": status.sources(self._board.healths(), now),
            "logs": status.logs(self._board.samples_of("logs"), self._board.unreadable()),
            "processes": status.processes(self._board.trees(), self._board.logs(), self._board.unreadable()),
            "store": {
                "trouble": None if trouble is None else trouble.text,
                "since": None if trouble is None else rfc3339(trouble.since),
            },
        }

    def history(self, query: HistoryQuery) -> list[dict[str, Json]]:
        """What `history --json` prints, newest first."""
        return self._records.history(query)

    def explain(self, alert_id: str) -> dict[str, Json] | None:
        """What `explain --json` prints; None if there is no such alert."""
        return self._records.explain(alert_id)

    def between(self, since: int, until: int) -> dict[str, Json]:
        """What `explain --between --json` prints."""
        return self._records.between(since, until)

    def queue(self) -> list[dict[str, Json]]:
        """What `queue list --json` prints."""
        return self._records.queue()

    def silences(self) -> list[dict[str, Json]]:
        """What `silence list --json` prints."""
        return self._records.silences()

    def _silent_for(self) -> float:
        """Seconds since the evaluator last finished a round, or since the start."""
        beat = self._board.heartbeat()
        return self._clock.now().monotonic - (self._started.monotonic if beat is None else beat)


def _no_page(*, openmetrics: bool) -> Page:  # noqa: ARG001 - the shape of `Metrics.page`
    return b"", "text/plain"
