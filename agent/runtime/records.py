"""What the store knows, put into the shapes that commands print and the API answers. Reads; never writes.

Works with and without a running agent. Each question opens a connection of its own, so any thread may ask.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from agent.core import record, story
from agent.core.clock import Clock
from agent.core.model import Alert, Delivery, Json
from agent.core.record import HistoryQuery
from agent.runtime import overview, period_record, status
from agent.runtime.board import LogSeen
from agent.runtime.metrics_scrape import Snapshot
from agent.runtime.overview import Overview
from agent.runtime.showing import Showing
from agent.store import alerts, backlog, decisions, deliveries, history, silences
from agent.store.database import Database

SHORTEST_PREFIX = 6
"""Characters of an alert's id that may stand for the whole, if no other id begins with them."""
LISTED = 1_000
"""The most rows of the queue in one answer."""


class Records:
    """The stored facts. Every method raises StoreError."""

    def __init__(
        self, open_database: Callable[[], Database], clock: Clock, showing: Callable[[], Showing]
    ) -> None:
        """`showing` gives the settings in force."""
        self._open = open_database
        self._clock = clock
        self._showing = showing

    def overview(self) -> Overview:
        """What runs, fires and waits."""
        now = self._clock.now().wall
        with self._open() as database:
            return database.read(lambda conn: overview.look(conn, now))

    def snapshot(self) -> Snapshot:
        """What the metrics need of the store."""
        now = self._clock.now().wall
        with self._open() as database:
            known = database.read(lambda conn: overview.look(conn, now))
            return known.snapshot(database.path.stat().st_size, self._showing().quiet_hours)

    def status(self, logs: Mapping[str, LogSeen]) -> dict[str, Json]:
        """The part of `status` that the store knows; `logs` are the latest looks at logs, if an agent runs.

        {"running": false, "node", "jobs": [{"id", "name", "model", "state", "attempt", "started_at", "step",
        "total_steps", "epoch", "loss", "progress_at", "progress_age_seconds", "log"}], "channels": [{"name", "type",
        "state": up|failing|paused|removed, "paused_until", "reason", "detail", "failures", "last_success_at",
        "last_failure_at", "queued", "sending", "deferred", "held": {reason: count}, "quiet_until", "dead",
        "oldest_seconds"}], "quiet_hours": [{"name", "active", "starts_at", "ends_at"}], "alerts": [as in the history,
        without deliveries], "silences": [as in `silence list`]}.
        """
        known, showing = self.overview(), self._showing()
        return {
            "running": False,
            "node": showing.node,
            "jobs": status.jobs(known.running, logs, known.at),
            "channels": status.channels(known, showing.recipients, showing.quiet_hours),
            "quiet_hours": status.quiet_hours(showing.quiet_hours, known.at),
            "alerts": [record.of_alert_alone(showing.clean(alert)) for alert in known.firing],
            "silences": [record.of_silence(item, known.at) for item in known.current_silences],
        }

    def history(self, query: HistoryQuery) -> list[dict[str, Json]]:
        """The alerts asked for, newest first, each as `record.of_alert` shapes it."""
        since, showing = max(0, self._clock.now().wall - query.since), self._showing()
        with self._open() as database:
            found = database.read(
                lambda conn: history.page(
                    conn, since=since, type=query.type, job=query.job, channel=query.channel, limit=query.limit
                )
            )
        return [record.of_alert(showing.clean(alert), rows) for alert, rows in found]

    def explain(self, alert_id: str) -> dict[str, Json] | None:
        """The chain of one alert; None unless exactly one alert has this id, or an id that begins so.

        The object of `history`, and besides "decisions", "attempts", and "story": the same as lines of plain words.
        """
        with self._open() as database:
            return database.read(lambda conn: self._explain(conn, alert_id))

    def between(self, since: int, until: int) -> dict[str, Json]:
        """What was told, held back and left out in a period (UTC milliseconds), shaped by `period_record.between`."""
        with self._open() as database:
            return database.read(lambda conn: period_record.between(conn, self._showing(), since, until))

    def queue(self) -> list[dict[str, Json]]:
        """The deliveries that wait or are dead, oldest first, each as `record.of_queued` shapes it."""
        showing = self._showing()
        with self._open() as database:
            rows = database.read(lambda conn: backlog.listed(conn, LISTED))
        return [record.of_queued(row, showing.clean(row.snapshot).title) for row in rows]

    def silences(self) -> list[dict[str, Json]]:
        """All silences that are not over yet, each as `record.of_silence` shapes it."""
        now = self._clock.now().wall
        with self._open() as database:
            found = database.read(silences.load)
        return [record.of_silence(item, now) for item in found if item.ends_at > now]

    def _explain(self, conn: sqlite3.Connection, alert_id: str) -> dict[str, Json] | None:
        stored = find(conn, alert_id)
        if stored is None:
            return None
        showing, made = self._showing(), decisions.of_alert(conn, stored.id)
        alert = showing.clean(stored)
        rows = deliveries.of_alerts(conn, [stored.id])
        tries = [attempt for row in rows for attempt in deliveries.attempts(conn, row.id)]
        return {
            **record.of_alert(alert, rows),
            "decisions": [record.of_decision(item) for item in made],
            "attempts": [record.of_attempt(item) for item in tries],
            "story": story.tell(alert, made, rows, tries, showing.zone, _digests(conn, rows)),
        }


def _digests(conn: sqlite3.Connection, rows: Iterable[Delivery]) -> Mapping[str, Delivery]:
    """The deliveries that tell some of these rows together with others."""
    found = (deliveries.get(conn, mark) for mark in {row.merged_into for row in rows} if mark is not None)
    return {row.id: row for row in found if row is not None}


def find(conn: sqlite3.Connection, alert_id: str) -> Alert | None:
    """Look up an alert by its id, or by a beginning of at least six characters that no other id shares."""
    exact = alerts.get(conn, alert_id)
    if exact is not None or len(alert_id) < SHORTEST_PREFIX:
        return exact
    matches = alerts.beginning_with(conn, alert_id, 2)
    return matches[0] if len(matches) == 1 else None
