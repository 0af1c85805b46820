"""The logs that are followed, and what becomes of them: new ones, renamed, replaced, given up.

Each content of each file is one `Log`. A path may lead to one log while an earlier one that it led to is still read.
"""

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from agent.core.clock import Instant
from agent.core.codec import encode
from agent.core.facts import Event, LogFinding, TrainingSeen
from agent.core.log_names import rotated_from
from agent.core.model import Json
from agent.core.ports import LogReading, WantedLog
from agent.sources.logs.beginning import find_beginning
from agent.sources.logs.log import OPEN_FOR, RESTING_EVERY, Log
from agent.sources.logs.looked import State
from agent.sources.logs.rules import Rules
from agent.sources.logs.saved import Saved
from agent.sources.logs.side_files import SideFiles
from agent.sources.logs.tailer import Inode, Unreadable, look
from agent.sources.mounts import Reach

AT_ONCE = 16 * 1024 * 1024
"""Bytes read in one look at all logs."""
AT_ONCE_PER_LOG = 4 * 1024 * 1024
RESTING_LOOKS = 1_000
"""Looks a second at logs that have rested for long; of more than twice as many each waits its turn a little longer."""
OPEN_AT_MOST = 256
"""Descriptors held; beyond that those of the logs that have rested longest are let go."""
TOGETHER = 0.1
"""Seconds before its time at which a log may be looked at, so that many looks cost one waking."""
RETRY_EVERY = 10.0
"""Seconds after which a path that is not followed is looked at again."""
UNNAMED_FOR = 600.0
"""Seconds without growth after which a log that nobody names any more is given up: its run has ended."""
CHECKPOINT_EVERY = 5.0
"""Seconds between two checkpoints of one log without events."""


class Following:
    """The followed logs by identity. `unreadable`: paths that are there but cannot be read, with the reason."""

    def __init__(self, rules: Rules, reach: Reach) -> None:
        self._reach = reach
        self.sides = SideFiles(reach)
        self.logs: dict[str, Log] = {}
        self.unreadable: dict[str, str] = {}
        self.bytes = 0
        self.suppressed = 0
        self._rules = rules
        self._inodes: dict[Inode, Log] = {}
        """The log that was begun last with an inode, which may be another's by now."""
        self._named: frozenset[str] = frozenset()
        self._paths: frozenset[str] = frozenset()
        self._begun: set[str] = set()
        """Wanted paths that have led to a log: what they lead to later is read from its beginning."""
        self._wanted: Mapping[str, WantedLog] = {}
        self._vacant: set[str] = set()
        self._skip_until: dict[str, float] = {}
        self._changed: dict[str, float] = {}
        self._kept: set[str] = set()
        """Logs of which the checkpoint tells."""
        self._looked: list[Log] = []
        self._events: list[Event] = []
        self._left = 0

    def restore(self, saved: Mapping[str, Saved], now: Instant) -> None:
        """Follow again what a checkpoint tells of."""
        for file, item in saved.items():
            self.logs[file] = Log.restore(self._rules, file, item, now)
            self._inodes[self.logs[file].tail.inode] = self.logs[file]
            self._kept.add(file)
            self._begun.add(item.path)

    def choose(self, paths: Iterable[str], wanted: Collection[WantedLog]) -> None:
        """Say which paths are logs; those that lead to no followed log yet will be looked at.

        Where several paths lead to one file, it goes by the one in `wanted`.
        """
        self._wanted = {item.path: item for item in wanted}
        self._named = frozenset(paths)
        self._paths = self._named | self._wanted.keys()
        held = {log.path for log in self.logs.values() if not log.moved}
        self._vacant = set(self._paths - held)
        self._skip_until = {path: until for path, until in self._skip_until.items() if path in self._vacant}
        self.unreadable = {path: reason for path, reason in self.unreadable.items() if path in self._paths}

    def look(self, now: Instant, urgent: Collection[str], *, at_end: bool) -> tuple[list[Event], list[LogReading]]:
        """Look at every log that is due, then at paths that lead to none; bounded by `AT_ONCE`.

        `at_end`: begin new logs at their end.
        """
        self._looked, self._events, self._left = [], [], AT_ONCE
        for log in self._due(now, urgent):
            if self._left > 0:
                self._look_at(log, now, urgent)
        for path in sorted(self._vacant, key=lambda path: (path not in self._wanted, path)):
            if self._skip_until.get(path, 0.0) <= now.monotonic:
                self._begin(path, now, urgent, at_end=at_end)
        self._let_go()
        return self._events, self._readings(now)

    def checkpoint(self, now: Instant) -> dict[str, Json | None]:
        """What to keep of logs that have changed: at once with events, else from time to time."""
        entries: dict[str, Json | None] = {file: None for file in self._kept if file not in self.logs}
        for file, since in list(self._changed.items()):
            if file not in self.logs:
                del self._changed[file]
            elif now.monotonic >= since:
                entries[file] = encode(self.logs[file].saved())
                del self._changed[file]
        for file, entry in entries.items():
            if entry is None:
                self._kept.discard(file)
            else:
                self._kept.add(file)
        return entries

    def due_in(self, now: Instant) -> float:
        """Seconds until a log is to be looked at again; 0 while one waits to be read on."""
        times = (log.due for log in self.logs.values())
        return max(0.0, min(times, default=now.monotonic + RESTING_EVERY) - now.monotonic)

    @property
    def lag(self) -> int:
        """Bytes that wait to be read."""
        return sum(max(0, log.tail.size - log.tail.offset) for log in self.logs.values() if not log.ended)

    def close(self) -> None:
        """Let go of all files."""
        for log in self.logs.values():
            log.close()

    # One log.

    def _due(self, now: Instant, urgent: Collection[str]) -> list[Log]:
        """Logs to look at now: those that someone waits for first, then those that have waited longest."""
        upto = now.monotonic + TOGETHER
        due = [log for log in self.logs.values() if log.due <= upto or log.path in urgent]
        return sorted(due, key=lambda log: (log.path not in urgent, log.due))

    def _look_at(self, log: Log, now: Instant, urgent: Collection[str]) -> None:
        try:
            looked = log.look(now, min(self._left, AT_ONCE_PER_LOG), urgent=log.path in urgent)
        except Unreadable as reason:
            self.unreadable[log.path] = str(reason)
            log.due = now.monotonic + RESTING_EVERY
            return
        self.unreadable.pop(log.path, None)
        self._left -= looked.size
        self.bytes += looked.size
        if now.monotonic - log.grown_at >= OPEN_FOR:
            log.due = max(log.due, now.monotonic + len(self.logs) / RESTING_LOOKS)
        self._tell(log, looked.events, now, changed=looked.size > 0 or now.wall in (log.progress_at, log.activity_at))
        if looked.state is State.REPLACED:
            self._replaced(log, now, urgent)
        elif looked.state is State.GONE or self._is_over(log, now):
            self._give_up(log, now)
        else:
            self._looked.append(log)
            if looked.state is State.MOVED:
                self._vacate(log.path)

    def _is_over(self, log: Log, now: Instant) -> bool:
        """Whether nothing more is to be expected of a log: no path leads to it, or none that anybody names."""
        if log.moved:
            return log.expired(now) and log.tail.path not in self._paths
        return log.ended and log.path not in self._paths and now.monotonic - log.grown_at >= UNNAMED_FOR

    def _tell(self, log: Log, events: Collection[Event], now: Instant, *, changed: bool) -> None:
        self._events += (self._signed(event, log) for event in events)
        if events or log.file not in self._kept:
            self._changed[log.file] = now.monotonic
        elif changed:
            self._changed.setdefault(log.file, now.monotonic + CHECKPOINT_EVERY)

    def _signed(self, event: Event, log: Log) -> Event:
        """Add who writes the log, as far as that is known, and whether only he led to it."""
        wanted = self._wanted.get(log.path)
        found = log.path not in self._named and (wanted is None or wanted.found)
        writer = None if wanted is None else wanted.writer
        if isinstance(event.fact, LogFinding):
            return replace(event, fact=replace(event.fact, writer=writer, found=found))
        if isinstance(event.fact, TrainingSeen):
            return replace(event, fact=replace(event.fact, writer=writer))
        return event

    def _replaced(self, log: Log, now: Instant, urgent: Collection[str]) -> None:
        """The content of a followed file is another: the old one may live on in a copy, the new one is new."""
        held = not log.moved
        if held and log.take_copy():
            self._inodes[log.tail.inode] = log
            log.due = now.monotonic
            self._look_at(log, now, urgent)
        else:
            self._give_up(log, now)
        if held:
            self._begin(log.path, now, urgent, at_end=False)

    def _give_up(self, log: Log, now: Instant) -> None:
        self._events += (self._signed(event, log) for event in log.finish(now))
        self.suppressed += log.suppressed
        self.logs.pop(log.file, None)
        if self._inodes.get(log.tail.inode) is log:
            del self._inodes[log.tail.inode]
        self._vacate(log.path)

    def _vacate(self, path: str) -> None:
        """A path leads to no followed log any more; what it leads to now is new."""
        held = any(log.path == path and not log.moved for log in self.logs.values())
        if path in self._paths and not held and path not in self._vacant:
            self._vacant.add(path)

    def _begin(self, path: str, now: Instant, urgent: Collection[str], *, at_end: bool) -> None:
        """Follow what a path leads to, if that is a log and none that is followed already."""
        self._skip_until[path] = now.monotonic + (0.0 if path in urgent else RETRY_EVERY)
        if not self._reach.file(path):
            return  # somebody else's: a child looks at mounts that may hang
        try:
            status = look(path)
            self.unreadable.pop(path, None)
            if status is None:
                self._skip_until[path] = now.monotonic + RESTING_EVERY
                return
            if self._known(path, Inode.of(status)) or self._is_rotation(path):
                return
            log = Log.begin(self._rules, path, status, now, offset=self._offset(path, status, at_end=at_end))
        except Unreadable as reason:
            self.unreadable[path] = str(reason)
            return
        self.logs[log.file] = self._inodes[log.tail.inode] = log
        self._begun.add(path)
        self._vacant.discard(path)
        self._skip_until.pop(path, None)
        if self._left > 0:
            self._look_at(log, now, urgent)

    def _offset(self, path: str, status: os.stat_result, *, at_end: bool) -> int:
        """Where to begin in a new log. Raises Unreadable where the user who named it could not read it himself."""
        wanted = self._wanted.get(path)
        if wanted is None:
            return status.st_size if at_end else 0
        if wanted.uid not in (None, 0, status.st_uid) and not status.st_mode & stat.S_IROTH:
            raise Unreadable(f"user {wanted.uid}, who {'writes' if wanted.found else 'named'} it, may not read it")
        if path in self._begun:
            return 0
        return find_beginning(self._rules, path, status) if wanted.begin is None else min(wanted.begin, status.st_size)

    def _known(self, path: str, inode: Inode) -> bool:
        """Whether a file is followed already, be it under another name."""
        log = self._inodes.get(inode)
        log = log if log is not None and log.file in self.logs and log.tail.inode == inode else None
        if log is not None and path in self._wanted and log.path not in self._wanted:
            log.rename(path)
            self._vacant.discard(path)
        return log is not None

    def _is_rotation(self, path: str) -> bool:
        """Whether a path is named as a rotation of another log here. Such a copy was read under its old name."""
        folder, slash, name = path.rpartition("/")
        return any(f"{folder}{slash}{base}" in self._paths for base in rotated_from(name))

    # All logs.

    def _readings(self, now: Instant) -> list[LogReading]:
        """One reading for each path: where a path has led to several logs, the one that grew last."""
        latest: dict[str, Log] = {}
        for log in self._looked:
            rival = latest.get(log.path)
            if rival is None or (log.grown_at, not log.moved) > (rival.grown_at, not rival.moved):
                latest[log.path] = log
        logs = [log for log in latest.values() if log.file in self.logs]
        return [self.sides.join(log.reading(), log.output, now) for log in logs]

    def _let_go(self) -> None:
        """Hold no more descriptors than allowed. Those that alone lead to a deleted file go last."""
        if len(self.logs) <= OPEN_AT_MOST:
            return
        opened = [log for log in self.logs.values() if log.tail.opened]
        opened.sort(key=lambda log: (log.moved, log.grown_at))
        for log in opened[: max(0, len(opened) - OPEN_AT_MOST)]:
            log.close()
