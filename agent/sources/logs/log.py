"""One followed log: a file's bytes through its scanner, with its timetable and what its checkpoint keeps.

Knows one content of one file; what takes its place at the same path is another `Log`.
"""

import os
from dataclasses import replace

from agent.core.clock import Instant
from agent.core.facts import Event, LogFinding, Progress, TrainingSeen, event_id
from agent.core.ports import LogReading
from agent.core.progress import same
from agent.core.runs import Run
from agent.sources.logs.looked import NOTHING_NEW, Looked, State
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
"""Seconds without growth after which the descriptor is let go, so that deleting the log frees its disk, and the scanner
too: it takes a KiB and a half, and most logs of a folder are never written to again."""
LINGER_DELETED = 60.0
"""Seconds without growth after which a deleted log is given up: its writer may still hold it."""
LINGER_MOVED = 86_400.0
"""The same for one that was renamed, or whose link now leads elsewhere: its writer may go on for days."""


class Log:
    """A log that is followed. `file` is its identity: device, inode, and when this content was first seen."""

    def __init__(
        self, rules: Rules, path: str, file: str, tail: Tail, now: Instant, content: LogScanner | Saved
    ) -> None:
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
        self._content = content
        """What is known of the content; `Saved` until something is added, and again once it has rested for long."""
        self._suppressed = 0
        """Findings that scanners before the present one did not tell."""
        self._ended_as: tuple[int, int] | None = None
        """Size and modification time with which the file was read to its end."""
        self._settled = False
        """Whether it rests and all was told, so that nothing is to be done until it changes: most logs, mostly."""

    @classmethod
    def begin(cls, rules: Rules, path: str, status: os.stat_result, now: Instant, *, offset: int) -> "Log":
        """Follow a file that was not known, from the byte `offset` on. Raises Unreadable."""
        inode = Inode.of(status)
        real = os.path.realpath(path)
        tail = Tail(path if real == path else real, inode, offset)
        tail.open()
        tail.skip_hole()
        saved = Saved(
            path, tail.path, str(inode), copied=False, offset=tail.offset, line=tail.offset,
            tail=digest(tail.before(tail.offset)), run=Run(tail.offset),
        )  # fmt: skip
        return cls(rules, path, f"{inode}:{now.wall}", tail, now, saved)

    @classmethod
    def restore(cls, rules: Rules, file: str, saved: Saved, now: Instant) -> "Log":
        """Follow a file again from its checkpoint; what it holds is verified at the first look.

        Raises ValueError if the inode cannot be read.
        """
        log = cls(rules, saved.path, file, Tail(saved.at, Inode.parse(saved.inode), saved.offset), now, saved)
        log.moved = log.copied = saved.copied
        log.progress_at, log.activity_at, log.added_at = saved.progress_at, saved.activity_at, saved.added_at
        return log

    @property
    def progress(self) -> Progress | None:
        """The last progress that it shows."""
        return self._content.progress

    @property
    def output(self) -> str | None:
        """The folder that it names last as the one where checkpoints go."""
        return self._content.output

    @property
    def ended(self) -> bool:
        """Whether it was read to its end at the last look."""
        return self._ended_as is not None

    @property
    def suppressed(self) -> int:
        """Findings that were too many to tell."""
        return self._suppressed + (self._content.suppressed if isinstance(self._content, LogScanner) else 0)

    def look(self, now: Instant, limit: int, *, urgent: bool) -> Looked:
        """Read what was added, at most `limit` bytes. Raises Unreadable."""
        status = self._status()
        if status is None:
            return Looked(State.GONE)
        changed = (status.st_size, status.st_mtime_ns) != self._ended_as
        if self._settled and not (changed or self.moved):
            self._plan(now)
            return NOTHING_NEW
        if isinstance(self._content, Saved):
            if changed and not self._holds(self._content, status):
                return Looked(State.REPLACED)
            if not changed or status.st_size == self._content.offset:
                return self._rests(status, now)
            self._content = self._scanner(self._content)
        scanner = self._content
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
        content = self._content
        return self._events(content.settle(blocks=True, over=True), now) if isinstance(content, LogScanner) else ()

    def take_copy(self) -> bool:
        """After a truncation, go on in the copy that a rotation made before it; False if there is none."""
        known = self._content.tail if isinstance(self._content, Saved) else digest(self._content.tail)
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
        if isinstance(self._content, LogScanner):
            self._content.path = path

    def close(self) -> None:
        """Let go of the descriptor; the next look opens the file again."""
        self.tail.close()

    def reading(self) -> LogReading:
        """How far it has been read."""
        offset = self.tail.size if self.ended else self.tail.offset
        return LogReading(
            self.path, self.file, offset, self.tail.size, self.progress, self.progress_at, self.added_at,
            self._content.activity, self.activity_at,
        )  # fmt: skip

    def saved(self) -> Saved:
        """What to keep."""
        content = self._content
        if isinstance(content, Saved):
            return replace(content, path=self.path, at=self.tail.path, copied=self.copied)
        place = content.place
        return Saved(
            path=self.path,
            at=self.tail.path,
            inode=str(self.tail.inode),
            copied=self.copied,
            offset=place.offset,
            line=place.line,
            tail=digest(place.tail),
            run=content.run,
            progress=content.progress,
            progress_at=self.progress_at,
            activity=content.activity,
            activity_at=self.activity_at,
            added_at=self.added_at,
            output=content.output,
        )

    def _status(self) -> os.stat_result | None:
        """Ask the file, by its path if that still leads here, else by its descriptor or by the name it has now."""
        if not self.copied:
            status = look(self.path)
            self.moved = status is None or Inode.of(status) != self.tail.inode
            if not self.moved:
                return status
        return self.tail.status() or self.tail.find()

    def _holds(self, saved: Saved, status: os.stat_result) -> bool:
        """Whether the file still holds what is known of it."""
        return status.st_size >= saved.offset and digest(self.tail.before(saved.offset)) == saved.tail

    def _scanner(self, saved: Saved) -> LogScanner:
        """Take up reading where it stood."""
        place = Place(saved.offset, saved.line, self.tail.before(saved.offset))
        known = (saved.run, saved.progress, saved.activity, saved.output)
        return LogScanner(self._rules, self.path, self.file, place, *known)

    def _rests(self, status: os.stat_result, now: Instant) -> Looked:
        """Nothing was added since it was saved."""
        self.tail.size = status.st_size
        self._ended_as = (status.st_size, status.st_mtime_ns)
        self._settled = now.monotonic - self.grown_at >= REST
        self._plan(now)
        return Looked(State.MOVED if self.moved else State.THERE)

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

    def _plan(self, now: Instant) -> None:
        """Look again soon while it grows. One that rests lets go of what it holds, unless nothing else leads to it."""
        rested = now.monotonic - self.grown_at
        wait = GROWING_EVERY if rested < REST else RESTING_EVERY
        self.due = now.monotonic + (wait if self.ended else 0.0)
        if rested >= OPEN_FOR and not self.moved:
            self.close()
            self._forget()

    def _forget(self) -> None:
        """Keep what a checkpoint would, if that is all there is."""
        content = self._content
        if self._settled and isinstance(content, LogScanner) and content.complete:
            self._suppressed += content.suppressed
            self._content = self.saved()

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
