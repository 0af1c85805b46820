"""The end of processes that are not our children: told at once by pidfd, with the exit code where the kernel gives it.

Decides nothing: a process that is gone without a trace is reported as ended with an unknown exit code.
"""

import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass

from agent.core import procstat
from agent.core.clock import Instant
from agent.core.facts import Event, ProcessEnded, event_id
from agent.core.model import Json, Sample
from agent.core.ports import Reading, Unavailable
from agent.sources import proc

ProcessKey = tuple[str, int, int]
"""A process by boot id, pid and start ticks."""

PIDFD_INFO = "pidfd_info"
"""Ends are told at once, with the exit code."""
PIDFD = "pidfd"
"""Ends are told at once; the exit code is known of zombies only."""
POLL = "poll"
"""Ends are seen at the next look; the exit code is known of zombies only."""

REAP_WAIT = 1.0
"""Seconds for which the parent of a process that ended is given time to take notice, which is what reveals the code."""
BIG_NAMED, BIG_AT_LEAST = 4, 1 << 30
"""How many other processes are noted when one was killed, and the bytes of memory that make them worth it."""
REAP_LOOK = 0.05
"""Seconds between two looks meanwhile; nothing tells of it, as the handle is readable all along."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Followed:
    """A process that was alive when first seen. Without a handle it is looked up in `/proc` at each look."""

    handle: int | None
    ended_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class _Ended:
    """An end whose wait status is known, or will never be."""

    at: Instant
    wait_status: int | None = None


class ExitSource:
    """Follows the processes that `processes` names, until each has ended or is no longer named."""

    name = "exits"

    def __init__(self, processes: Callable[[], Collection[ProcessKey]], interval: float = 5.0) -> None:
        self.interval = interval
        self._processes = processes
        self._followed: dict[ProcessKey, _Followed] = {}
        self._told: set[ProcessKey] = set()
        self._hidden: set[ProcessKey] = set()
        self._boot = ""
        self._strategy = ""

    def restore(self, checkpoint: Json) -> None:
        """Nothing is kept: what ended meanwhile is seen to be gone."""

    def read(self, now: Instant) -> Reading:
        """Look after every process; the handles returned wake the worker when one of them ends."""
        if not self._strategy:
            self._prepare()
        wanted = set(self._processes())
        self._forget(wanted)
        ends = {key: end for key in wanted - self._told if (end := self._look(key, now)) is not None}
        for key in ends:
            self._told.add(key)
            self._drop(key)
        alive = [item.handle for item in self._followed.values() if item.handle is not None and item.ended_at is None]
        dying = any(item.ended_at is not None for item in self._followed.values())
        return Reading(
            samples=(Sample("exit_status_info", 1, {"strategy": self._strategy}),),
            events=tuple(_event(key, end, now) for key, end in sorted(ends.items())),
            again_in=REAP_LOOK if dying else None,
            watch=tuple(alive),
        )

    def _prepare(self) -> None:
        try:
            self._boot = proc.boot_id()
        except FileNotFoundError:
            raise Unavailable("processes are followed on Linux with /proc only") from None
        self._strategy = _strategy()

    def close(self) -> None:
        """Close every handle."""
        for key in list(self._followed):
            self._drop(key)

    def _look(self, key: ProcessKey, now: Instant) -> _Ended | None:
        """The end of one process, or None while it lives or its code may still be learned."""
        followed = self._followed.get(key)
        if followed is None:
            return self._begin(key, now)
        if followed.handle is None:
            return _look_up(key, now)
        dead, reaped = proc.ended(followed.handle)
        if not dead:
            return None
        followed.ended_at = ended_at = followed.ended_at or now
        status = proc.reaped_status(followed.handle) if reaped else proc.zombie_status(key[1], key[2])
        over = reaped or now.monotonic - ended_at.monotonic >= REAP_WAIT
        return _Ended(ended_at, status) if over or status is not None else None

    def _begin(self, key: ProcessKey, now: Instant) -> _Ended | None:
        """Start to follow a process, unless it has already gone."""
        boot, pid, ticks = key
        found = proc.stat(pid)
        if boot == self._boot and found is None and proc.exists(pid):
            self._tell_hidden(key)
            return None
        if boot != self._boot or found is None or found.start_ticks != ticks:
            return _Ended(now)
        self._followed[key] = _Followed(proc.open_pidfd(pid) if self._strategy != POLL else None)
        # The pid may have been given away before the handle was opened; then this is the handle of another process.
        again = proc.stat(pid)
        return _Ended(now) if again is not None and again.start_ticks != ticks else self._look(key, now)

    def _tell_hidden(self, key: ProcessKey) -> None:
        if key not in self._hidden:
            self._hidden.add(key)
            _log.warning("process %d cannot be followed: /proc hides it (hidepid); run the agent as root", key[1])

    def _forget(self, wanted: Collection[ProcessKey]) -> None:
        self._told.intersection_update(wanted)
        self._hidden.intersection_update(wanted)
        for key in self._followed.keys() - wanted:
            self._drop(key)

    def _drop(self, key: ProcessKey) -> None:
        followed = self._followed.pop(key, None)
        if followed is not None and followed.handle is not None:
            os.close(followed.handle)


def _strategy() -> str:
    """How ends are learned on this node."""
    if not proc.has_pidfds():
        return POLL
    return PIDFD_INFO if proc.tells_exit_status() else PIDFD


def _look_up(key: ProcessKey, now: Instant) -> _Ended | None:
    """Look in `/proc` alone, which tells the code of a zombie only."""
    found = proc.stat(key[1])
    if found is not None and found.start_ticks == key[2] and not found.ended:
        return None
    return _Ended(now, proc.zombie_status(key[1], key[2]))


def _event(key: ProcessKey, end: _Ended, now: Instant) -> Event:
    boot, pid, ticks = key
    code, signal = procstat.exit_code(end.wait_status) if end.wait_status is not None else (None, None)
    killed = code is None or signal == "SIGKILL"
    big = proc.biggest(BIG_NAMED, BIG_AT_LEAST) if killed else ()
    fact = ProcessEnded(boot, pid, ticks, ended_at=end.at.wall, exit_code=code, signal=signal, big=big)
    return Event(event_id("exits", boot, pid, ticks), ExitSource.name, now.wall, fact)
