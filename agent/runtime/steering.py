"""What a person may change in the store: queue, silences, open episodes. One short transaction each.

Works with and without a running agent, which notices within a second that somebody else has committed.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from agent.core import retry
from agent.core.clock import Clock
from agent.core.facts import Event, ResolveAsked, event_id
from agent.core.model import Alert, Silence, Status
from agent.core.policy.silence import LONGEST
from agent.runtime.gpu_board import PAUSED
from agent.runtime.records import find
from agent.store import backlog, deliveries, events, ledger, meta, silences
from agent.store.database import Database

T = TypeVar("T")

COMMANDS = "command"
"""The source of events that a person asked for."""


class Refused(Exception):  # noqa: N818 - names what became of the wish
    """What is asked for does not exist, or not any more; the text says so to the person who asked."""


class Steering:
    """Each method raises Refused, or StoreError if the store does."""

    def __init__(self, open_database: Callable[[], Database], clock: Clock) -> None:
        self._open = open_database
        self._clock = clock

    def retry(self, ids: Collection[str] | None) -> int:
        """Make these deliveries, or without `ids` all that wait or are dead, due at once; returns how many.

        Their channels are given another chance too: whatever pauses or suspends them is lifted.
        """
        now = self._clock.now().wall

        def body(conn: sqlite3.Connection) -> int:
            _lift(conn, now, None if ids is None else _channels(conn, ids))
            return backlog.requeue(conn, ids, now)

        return self._write(body)

    def lift(self) -> None:
        """Lift every pause and suspension: what waits for such a channel is due at once."""
        now = self._clock.now().wall
        self._write(lambda conn: _lift(conn, now, None))

    def drop(self, ids: Collection[str]) -> int:
        """Take these deliveries out of the queue; returns how many were in it."""

        def body(conn: sqlite3.Connection) -> int:
            _channels(conn, ids)
            return backlog.drop(conn, ids)

        return self._write(body)

    def resolve(self, alert_id: str, author: str) -> Alert:
        """Ask the agent to end an alert; returns it as it still stands. Asking twice is harmless.

        An event ends on the channels that hold it open, such as an incident about a failed job.
        """
        now = self._clock.now().wall

        def body(conn: sqlite3.Connection) -> Alert:
            alert = _alert(conn, alert_id)
            if alert.ends_at is not None or alert.status is Status.RESOLVED:
                raise Refused(f"alert {alert.id} is over already: only what is firing can be resolved")
            asked = Event(event_id("resolve", alert.id), COMMANDS, now, ResolveAsked(alert.id, author))
            events.append(conn, [asked])
            return alert

        return self._write(body)

    def silence(
        self, silence_id: str, length: int, *, author: str, comment: str, alert_id: str | None = None,
        match: Mapping[str, str] | None = None,
    ) -> Silence:  # fmt: skip
        """Begin a silence of `length` milliseconds now, of one alert or of all that match."""
        now = self._clock.now().wall
        if not 0 < length <= LONGEST:
            raise Refused("a silence lasts longer than nothing and at most 30 days")

        def body(conn: sqlite3.Connection) -> Silence:
            target = None if alert_id is None else _alert(conn, alert_id).id
            begun = Silence(silence_id, now, now + length, author, comment, target, dict(match or {}))
            silences.add(conn, begun)
            return begun

        return self._write(body)

    def end_silence(self, silence_id: str) -> None:
        """End a silence before its time."""
        now = self._clock.now().wall
        if not self._write(lambda conn: silences.end(conn, silence_id, now)):
            raise Refused(f"there is no silence {silence_id!r} that is not over: see `gpuwarden silence list`")

    def pause_gpus(self, *, paused: bool) -> None:
        """Let the agent release the GPU driver, or take it up again; it notices within a second. Outlives restarts."""

        def body(conn: sqlite3.Connection) -> None:
            if paused:
                meta.put(conn, PAUSED, True)
            else:
                meta.delete(conn, PAUSED)

        self._write(body)

    def _write(self, body: Callable[[sqlite3.Connection], T]) -> T:
        with self._open() as database:
            return database.write(body)


def _lift(conn: sqlite3.Connection, now: int, channels: Collection[str] | None) -> None:
    for state in ledger.channel_states(conn).values():
        if state.paused_until is not None and (channels is None or state.channel in channels):
            ledger.save_channel_state(conn, retry.lifted(state))
            backlog.hasten(conn, state.channel, now)


def _channels(conn: sqlite3.Connection, ids: Collection[str]) -> frozenset[str]:
    """The channels of these deliveries. Raises Refused if one of them does not exist."""
    found = {delivery_id: deliveries.get(conn, delivery_id) for delivery_id in ids}
    unknown = [delivery_id for delivery_id, row in found.items() if row is None]
    if unknown:
        raise Refused(f"there is no delivery {', '.join(unknown)}: see `gpuwarden queue list`; nothing was changed")
    return frozenset(row.channel for row in found.values() if row is not None)


def _alert(conn: sqlite3.Connection, alert_id: str) -> Alert:
    alert = find(conn, alert_id)
    if alert is None:
        raise Refused(f"there is no alert {alert_id!r}, or more than one begins so: see `gpuwarden history`")
    return alert
