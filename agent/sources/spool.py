"""What `emit`, `exec` and the client hand in: files in the spool, turned into events and taken away once stored.

A file is deleted only after its event was committed. If the agent dies in between, the file is read again and gives an
event of the same id, which changes nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.core import handoff
from agent.core.clock import HOUR, Instant
from agent.core.facts import Event, HandedIn, ProcessStarted, event_id
from agent.core.handoff import BadHandoff, Handoff
from agent.core.model import Json, Sample
from agent.core.ports import Reading
from agent.sources import proc, spool_folder
from agent.sources.doorbell import Doorbell
from agent.sources.spool_folder import Entry, HandIn

ABANDONED_AFTER = HOUR
"""A hidden file this old belongs to a writer that died."""

UNWATCHED = 2.0
"""Seconds between two looks where the doorbell cannot tell of new files."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much one user may hand in before others' files go first, and before files are dropped."""

    per_look: int = 256
    """Files of one user that one look takes; the rest waits for the next."""
    waiting: int = 10_000
    """Files of one user that may wait; what comes after them is dropped."""


class SpoolSource:
    """Reads what was handed in, oldest first, with a share for every user."""

    name = "spool"
    interval = 10.0

    def __init__(self, directory: Path, ring: Callable[[], None], limits: SpoolLimits | None = None) -> None:
        """`ring` wakes the worker as soon as a file arrives."""
        self._directory = directory
        self._limits = limits or SpoolLimits()
        self._bell = Doorbell(ring)
        self._boot: str | None = None
        self._taken: set[str] = set()
        """Names of files whose events are not yet stored."""
        self._left: set[str] = set()
        """Names of files that are refused and cannot be moved."""
        self._rejected = 0

    def restore(self, checkpoint: Json) -> None:
        """Nothing is kept: the files themselves are the checkpoint."""

    def read(self, now: Instant) -> Reading:
        """Take the next files. Raises Unavailable where the spool cannot be made or used."""
        spool_folder.prepare(self._directory)
        self._bell.watch(str(self._directory))
        with spool_folder.opened(self._directory) as folder:
            found = spool_folder.entries(folder)
            self._left.intersection_update(entry.name for entry in found)
            self._sweep(folder, found, now)
            chosen, more = self._choose(folder, found)
            events = self._take(folder, chosen, now)
        sample = Sample("spool_rejected_total", self._rejected)
        again_in = UNWATCHED if self._bell.trouble else None
        return Reading(samples=(sample,), events=events, again_in=0.0 if more else again_in)

    def committed(self) -> None:
        """Delete the files of the events returned so far, which are stored now."""
        if not self._taken:
            return
        with spool_folder.opened(self._directory) as folder:
            for name in self._taken:
                spool_folder.remove(folder, name)
        self._taken.clear()

    def close(self) -> None:
        """Stop watching. Files of events that were not stored stay for the next start."""
        self._bell.close()

    def _sweep(self, folder: int, found: Iterable[Entry], now: Instant) -> None:
        for entry in found:
            if entry.name.startswith(spool_folder.HIDDEN) and now.wall - entry.changed_at > ABANDONED_AFTER:
                spool_folder.remove(folder, entry.name)

    def _choose(self, folder: int, found: Iterable[Entry]) -> tuple[list[Entry], bool]:
        """The files to take now, and whether others wait."""
        by_user: dict[int, list[Entry]] = defaultdict(list)
        for entry in found:
            if entry.finished and entry.name not in self._taken and entry.name not in self._left:
                by_user[entry.uid].append(entry)
        for uid, waiting in by_user.items():
            self._drop(folder, uid, waiting[self._limits.waiting :])
        share = self._limits.per_look
        chosen = sorted((entry for waiting in by_user.values() for entry in waiting[:share]), key=lambda e: e.name)
        return chosen, any(len(waiting) > share for waiting in by_user.values())

    def _drop(self, folder: int, uid: int, surplus: Collection[Entry]) -> None:
        if not surplus:
            return
        for entry in surplus:
            spool_folder.remove(folder, entry.name)
        self._rejected += len(surplus)
        _log.warning("dropped %d files of user %d from the spool: more than may wait", len(surplus), uid)

    def _take(self, folder: int, chosen: Iterable[Entry], now: Instant) -> tuple[Event, ...]:
        events, refused = [], defaultdict(list)
        for entry in chosen:
            try:
                found = spool_folder.read(folder, entry.name)
                fact = self._believed(handoff.parse(found.data, found.uid, entry.name), found.uid)
            except FileNotFoundError:
                continue
            except BadHandoff as error:
                refused[entry.uid].append(str(error))
                self._reject(folder, entry.name, str(error))
                continue
            # What was handed in while the agent was down happened then, not now.
            events.append(Event(_id(entry.name, found), self.name, min(found.changed_at, now.wall), fact))
            self._taken.add(entry.name)
        for uid, reasons in refused.items():
            _log.warning("refused %d files of user %d from the spool; %s", len(reasons), uid, reasons[0])
        return tuple(events)

    def _reject(self, folder: int, name: str, reason: str) -> None:
        self._rejected += 1
        try:
            spool_folder.reject(folder, name, reason)
        except FileNotFoundError:
            return
        except OSError as error:
            self._left.add(name)
            _log.warning("%r stays in the spool unread: %s", name, error.strerror)

    def _believed(self, fact: Handoff, uid: int) -> Handoff:
        """Refuse what a user says of a process that visibly belongs to another one. Raises BadHandoff."""
        elsewhere = isinstance(fact, ProcessStarted) and fact.pid_namespace not in (None, proc.pid_namespace())
        if isinstance(fact, HandedIn) or uid == 0 or elsewhere:
            return fact
        self._boot = self._boot or proc.boot_id()
        found = proc.stat(fact.pid)
        if fact.boot_id != self._boot or found is None or found.start_ticks != fact.start_ticks:
            return fact
        owners = proc.owners(fact.pid)
        if owners is not None and uid not in owners:
            raise BadHandoff(f"process {fact.pid} of user {owners[0]}", "pid", f"a process of user {uid}")
        return fact


def _id(name: str, found: HandIn) -> str:
    return event_id("spool", name, found.inode, found.changed_ns)
