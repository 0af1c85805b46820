"""Which processes there are, and what each is: told anew at every look, though only few are looked at closely.

Most of a node's processes neither come nor go nor change between two looks, and are left alone for a minute. A process
is looked at closely when it is new, twice since it may still become another program, and when its name has changed.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.core.procstat import ProcStat
from agent.core.trees import Member
from agent.sources import proc
from agent.sources.processes import close_look

YOUNG = 15.0
"""Seconds after the first look during which a process is looked at every time: a shell becomes what it starts."""
LOOK_EVERY = 60.0
"""Seconds between two looks at one that is older and belongs to no run."""

Name = Callable[[Sequence[str]], str | None]
"""What the user calls a process by its command line, if he does."""


@dataclass(slots=True)
class Entry:
    """One process. `member` is None for threads of the kernel, and for those that were blocked at every look."""

    stat: ProcStat
    member: Member | None
    first_seen: float
    due: float
    named: str | None = None
    """What the user's pattern for its command line calls it."""


class Table:
    """All processes that may be seen, by pid; not the agent itself, nor what it has started."""

    def __init__(self, name: Name, own: int | None = None) -> None:
        self.entries: dict[int, Entry] = {}
        self._name = name
        self._own = os.getpid() if own is None else own

    def look(self, now: float, watched: Mapping[int, Member]) -> None:
        """Look once, `now` in monotonic seconds. `watched`: those that are looked at every time, by pid.

        Raises OSError where there is no `/proc`.
        """
        pids = proc.pids()
        for gone in self.entries.keys() - pids:
            del self.entries[gone]
        for pid in pids:
            entry = self.entries.get(pid)
            if entry is None or entry.due <= now or pid in watched:
                self._look_at(pid, entry, now)

    def members(self) -> dict[int, Member]:
        """Every process that lives and was looked at closely, without the agent's own."""
        found = {pid: entry.member for pid, entry in self.entries.items() if entry.member and not entry.stat.ended}
        return {pid: member for pid, member in found.items() if not self._is_own(pid)}

    def names(self) -> dict[int, str]:
        """What the user's patterns call processes, by pid."""
        return {pid: entry.named for pid, entry in self.entries.items() if entry.named is not None}

    def stat(self, pid: int) -> ProcStat | None:
        """What the kernel last said of a process."""
        entry = self.entries.get(pid)
        return None if entry is None else entry.stat

    def _look_at(self, pid: int, before: Entry | None, now: float) -> None:
        stat = proc.stat(pid)
        if stat is None:
            self.entries.pop(pid, None)
            return
        same = before is not None and before.stat.start_ticks == stat.start_ticks
        first_seen = before.first_seen if before is not None and same else now
        young = now - first_seen < YOUNG
        entry = Entry(stat, None, first_seen, now if young else now + LOOK_EVERY)
        if before is not None and same:
            entry.member, entry.named = before.member, before.named
            renamed = before.stat.name != stat.name
        if stat.kernel or stat.ended or (before is not None and same and entry.member and not (young or renamed)):
            entry.member = entry.member and replace(entry.member, parent=stat.parent)
            self.entries[pid] = entry
            return
        self._look_closely(pid, entry)

    def _look_closely(self, pid: int, entry: Entry) -> None:
        """Find out what it runs, unless it is blocked: then at the next look."""
        if entry.stat.blocked:
            entry.due = 0.0
        else:
            try:
                close = close_look.look(pid, entry.stat)
            except close_look.Gone:
                self.entries.pop(pid, None)
                return
            entry.member, entry.named = close.member, self._name(close.words)
        self.entries[pid] = entry

    def _is_own(self, pid: int) -> bool:
        """Whether it is the agent, or below it."""
        for _ in range(64):
            if pid == self._own:
                return True
            entry = self.entries.get(pid)
            if entry is None:
                return False
            pid = entry.stat.parent
        return False
