"""One followed log: a file's bytes through its scanner, with its timetable and what its checkpoint keeps.

Knows one content of one file; what takes its place at the same path is another `Log`.
"""

import os
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

from agent.core.clock import Instant
from agent.core.facts import Event, LogFinding, Progress, TrainingSeen, event_id
from agent.core.ports import LogReading
from agent.core.progress import same
from agent.sources.logs.recogniser import Place
from agent.sources.logs.rules import Rules
from agent.sources.logs.saved import Saved
from agent.sources.logs.scanner import LogScanner, Noticed
from agent.sources.logs.tailer import READ_AT_ONCE, Inode, Tail, digest, find_copy, look

GROWING_EVERY = 1.0
"""Seconds between looks at a log that grows."""
RESTING_EVERY = 2.0
REST = 2.0
"""Seconds without growth after which a log rests, and what is unfinished in it is told as it stands."""
SHOW_EVERY = 5.0
"""Seconds between two readings of the progress that a growing log shows; a bar may be drawn fifty times in that."""
OPEN_FOR = 60.0
"""Seconds without growth after which the descriptor is let go, so that deleting the log frees its disk."""
LINGER_DELETED = 60.0
"""Seconds without growth after which a deleted log is given up: its writer may still hold it."""
LINGER_MOVED = 86_400.0
"""The same for one that was renamed, or whose link now leads elsewhere: its writer may go on for days."""


class State(Enum):
    """What a look found of the file."""

    THERE = auto()
    MOVED = auto()
    """The path names another file, or none; this one is still followed."""
    REPLACED = auto()
    """The content is another: truncated, rewritten, or an inode number used again."""
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Looked:
    """The outcome of one look: the state, the events, and how many bytes were read."""

    state: State
    events: tuple[Event, ...] = ()
    size: int = 0


_NOTHING_NEW = Looked(State.THERE)


class Log:
    """A log that is followed. `file` is its identity: device, inode, and when this content was first seen."""

    def __init__(self, rules: Rules, path: str, file: str, tail: Tail, now: Instant) -> None:
        self.path = path
        self.file = file
        self.tail = tail
        self.moved = False
        """Whether `path` no longer leads here."""
        self.copied = False
        """Whether this is what a rotation copied away before truncating."""
        self.due = now.monotonic
        self.grown_at = now.monotonic
        self.progress_at: int | None = None
        self.activity_at: int | None = None
        self.added_at: int | None = None  # UTC milliseconds; None as long as nothing was
        self._show_at = now.monotonic
        self._rules = rules
        self._scanner: LogScanner | None = None
        self._saved: Saved | None = None
        self._ended_as: tuple[int, int] | None = None
        """Size and modification time with which the file was read to its end."""
        self._settled = False
        """Whether it rests and all was told, so that nothing is to be done until it changes: most logs, mostly."""

    @classmethod
    def begin(cls, rules: Rules, path: str, status: os.stat_result, now: Instant, *, offset: int) -> "Log":
        """Follow a file that was not known, from the byte `offset` on. Raises Unreadable."""
        inode = Inode.of(status)
        tail = Tail(str(Path(path).resolve()), inode, offset)
        tail.open()
        tail.skip_hole()
        log = cls(rules, path, f"{inode}:{now.wall}", tail, now)
        log._scan_from(Place(tail.offset, tail.offset, tail.before(tail.offset)))
        return log

    @classmethod
    def restore(cls, rules: Rules, file: str, saved: Saved, now: Instant) -> "Log":
        """Follow a file again from its checkpoint; what it holds is verified at the first look.

        Raises ValueError if the inode cannot be read.
        """
        log = cls(rules, saved.path, file, Tail(saved.at, Inode.parse(saved.inode), saved.offset), now)
        log.moved = log.copied = saved.copied
        log.progress_at, log.activity_at, log.added_at = saved.progress_at, saved.activity_at, saved.added_at
        log._saved = saved
        return log

    @property
    def progress(self) -> Progress | None:
        """The last progress that it shows."""
        return self._scanner.progress if self._scanner is not None else None

    @property
    def output(self) -> str | None:
        """The folder that it names last as the one where checkpoints go."""
        return self._scanner.output if self._scanner is not None else None

    @property
    def ended(self) -> bool:
        """Whether it was read to its end at the last look."""
        return self._ended_as is not None

    @property
    def suppressed(self) -> int:
        """Findings that were too many to tell."""
        return self._scanner.suppressed if self._scanner is not None else 0

    def look(self, now: Instant, limit: int, *, urgent: bool) -> Looked:
        """Read what was added, at most `limit` bytes. Raises Unreadable."""
        status = self._status()
        if status is None:
            return Looked(State.GONE)
        scanner = self._scanner if self._scanner is not None else self._verify(status)
        if scanner is None:
            return Looked(State.REPLACED)
        changed = (status.st_size, status.st_mtime_ns) != self._ended_as
        if self._settled and not (changed or self.moved):
            self._plan(now)
            return _NOTHING_NEW
        before, told, size = scanner.progress, scanner.told, 0
        noticed: list[Noticed] = []
        if changed:
            size = self._read(scanner, status, now, limit, noticed)
            if size < 0:
                return Looked(State.REPLACED)
        noticed += self._settle(scanner, now, size, urgent=urgent)
        self.progress_at = self.progress_at if same(before, scanner.progress) else now.wall
        self.activity_at = self.activity_at if scanner.told == told else now.wall
        self._plan(now)
        return Looked(State.MOVED if self.moved else State.THERE, self._events(noticed, now), size)

    def finish(self, now: Instant) -> tuple[Event, ...]:
        """Tell what is unfinished: nothing more will come."""
        self.close()
        return self._events(self._scanner.settle(blocks=True, over=True), now) if self._scanner is not None else ()

    def take_copy(self) -> bool:
        """After a truncation, go on in the copy that a rotation made before it; False if there is none."""
        known = digest(self._scanner.tail) if self._scanner is not None else ""
        known = self._saved.tail if self._saved is not None else known
        copy = find_copy(self.tail.path, self.tail.offset, known)
        if copy is None:
            return False
        self.close()
        self.tail = Tail(copy[0], copy[1], self.tail.offset)
        self.moved = self.copied = True
        self._ended_as = None
        return True

    def expired(self, now: Instant) -> bool:
        """Whether a log to which no path leads has rested long enough to be given up."""
        if not (self.moved and self.ended):
            return False
        status = self.tail.status()
        linger = LINGER_DELETED if status is not None and status.st_nlink == 0 else LINGER_MOVED
        return now.monotonic - self.grown_at >= (REST if self.copied else linger)

    def rename(self, path: str) -> None:
        """Go by another path that leads to the same file."""
        self.path = path
        if self._scanner is not None:
            self._scanner.path = path

    def close(self) -> None:
        """Let go of the descriptor; the next look opens the file again."""
        self.tail.close()

    def reading(self) -> LogReading:
        """How far it has been read."""
        offset = self.tail.size if self.ended else self.tail.offset
        return LogReading(
            self.path, self.file, offset, self.tail.size, self.progress, self.progress_at, self.added_at,
            self._scanner.activity if self._scanner is not None else None, self.activity_at,
        )  # fmt: skip

    def saved(self) -> Saved | None:
        """What to keep; None before the first look."""
        if self._scanner is None:
            return None
        place = self._scanner.place
        return Saved(
            path=self.path,
            at=self.tail.path,
            inode=str(self.tail.inode),
            copied=self.copied,
            offset=place.offset,
            line=place.line,
            tail=digest(place.tail),
            run=self._scanner.run,
            progress=self._scanner.progress,
            progress_at=self.progress_at,
            activity=self._scanner.activity,
            activity_at=self.activity_at,
            added_at=self.added_at,
            output=self._scanner.output,
        )

    def _status(self) -> os.stat_result | None:
        """Ask the file, by its path if that still leads here, else by its descriptor or by the name it has now."""
        if not self.copied:
            status = look(self.path)
            self.moved = status is None or Inode.of(status) != self.tail.inode
            if not self.moved:
                return status
        return self.tail.status() or self.tail.find()

    def _verify(self, status: os.stat_result) -> LogScanner | None:
        """At the first look after a restart: None if the file no longer holds what the checkpoint says."""
        saved = self._saved
        assert saved is not None
        if status.st_size < saved.offset:
            return None
        before = self.tail.before(saved.offset)
        if digest(before) != saved.tail:
            return None
        self._saved = None
        return self._scan_from(Place(saved.offset, saved.line, before), saved)

    def _read(self, scanner: LogScanner, status: os.stat_result, now: Instant, limit: int, told: list[Noticed]) -> int:
        """Feed what was added to the scanner; returns the bytes read, -1 if the content was replaced."""
        self.tail.size = status.st_size
        self._ended_as = None
        if status.st_size < self.tail.offset:
            return -1
        size, data = 0, b"?"
        while data and size < limit:
            piece = self.tail.read(scanner.tail, min(READ_AT_ONCE, limit - size))
            if piece is None:
                return size or -1
            data = piece
            size += len(data)
            told += scanner.feed(data, show=self._shows(scanner, data, now)) if data else []
            if not data or self.tail.offset >= self.tail.size:
                self._ended_as = (status.st_size, status.st_mtime_ns)
                break
        return size

    def _shows(self, scanner: LogScanner, data: bytes, now: Instant) -> bool:
        """Whether to read the progress that some bytes show: always where a run may begin or much is caught up."""
        if scanner.within_run and len(data) < READ_AT_ONCE and now.monotonic < self._show_at:
            return False
        self._show_at = now.monotonic + SHOW_EVERY
        return True

    def _settle(self, scanner: LogScanner, now: Instant, size: int, *, urgent: bool) -> list[Noticed]:
        """Tell what is unfinished once the log rests, or its line alone where someone waits for the last words."""
        if size:
            self.grown_at, self.added_at = now.monotonic, now.wall
        rests = now.monotonic - self.grown_at >= REST
        unsettled = scanner.unsettled
        self._settled = rests and self.ended and not unsettled
        if not (self.ended and unsettled and (rests or urgent)):
            return []
        return scanner.settle(blocks=rests)

    def _scan_from(self, place: Place, saved: Saved | None = None) -> LogScanner:
        known = () if saved is None else (saved.run, saved.progress, saved.activity, saved.output)
        self._scanner = LogScanner(self._rules, self.path, self.file, place, *known)
        return self._scanner

    def _plan(self, now: Instant) -> None:
        """Look again soon while it grows. One that rests lets go of its descriptor, unless nothing else leads to it."""
        rested = now.monotonic - self.grown_at
        wait = GROWING_EVERY if rested < REST else RESTING_EVERY
        self.due = now.monotonic + (wait if self.ended else 0.0)
        if rested >= OPEN_FOR and not self.moved:
            self.close()

    def _events(self, noticed: list[Noticed], now: Instant) -> tuple[Event, ...]:
        return tuple(
            Event(event_id("logs", self.file, *item.key), "logs", now.wall, _plausible(item.fact, now.wall))
            for item in noticed
        )


def _plausible(fact: LogFinding | TrainingSeen, now: int) -> LogFinding | TrainingSeen:
    """Drop a time of writing that lies ahead: the line tells of something else, or in another time zone."""
    if isinstance(fact, LogFinding) and fact.written_at is not None and fact.written_at > now:
        return replace(fact, written_at=None)
    return fact
