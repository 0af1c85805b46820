"""Which processes there are, and what each is: told anew at every look, though only few are looked at closely.

Most of a node's processes neither come nor go nor change between two looks, and are left alone for a minute. A process
is looked at closely while it is new, since it may still become another program, and when its name has changed.
"""

import os
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from agent.core.procstat import ProcStat
from agent.core.trees import Member
from agent.sources import proc
from agent.sources.processes import close_look

YOUNG = 15.0
"""Seconds after the first look during which a process is looked at closely every time: a shell becomes what it runs."""
LOOK_EVERY = 60.0
"""Seconds between two looks at one that is older and belongs to no run."""

Read = Callable[[Sequence[str]], str | None]
"""Makes something of a command line, and nothing of most."""


@dataclass(slots=True)
class Entry:
    """One process. Times are monotonic seconds."""

    stat: ProcStat
    first_seen: float
    member: Member | None = None
    """None for what is never looked at closely, the kernel's threads and the agent, and while it is blocked."""
    named: str | None = None
    """What the user's pattern for its command line calls it."""
    command: str | None = None
    """Its command line, fit to be shown, if that is wanted."""
    due: float = 0.0


class Table:
    """All processes that may be seen, by pid.

    `name` tells what the user calls a process by its command line, `show` how that is shown. `own`: the agent's pid; it
    and what it has started are left out.
    """

    def __init__(self, name: Read, show: Read, own: int | None = None) -> None:
        self.entries: dict[int, Entry] = {}
        self._name = name
        self._show = show
        self._own = os.getpid() if own is None else own

    def look(self, now: float, watched: Container[int]) -> None:
        """Look once, `now` in monotonic seconds. `watched`: pids that are looked at every time.

        Raises OSError where there is no `/proc`.
        """
        pids = proc.pids()
        for gone in self.entries.keys() - pids:
            del self.entries[gone]
        for pid in pids:
            entry = self.entries.get(pid)
            if entry is None or entry.due <= now or pid in watched:
                self._look_at(pid, now)

    def members(self) -> dict[int, Member]:
        """Every process that lives and was looked at closely."""
        return {pid: entry.member for pid, entry in self.entries.items() if entry.member and not entry.stat.ended}

    def names(self) -> dict[int, str]:
        """What the user's patterns call processes, by pid."""
        return {pid: entry.named for pid, entry in self.entries.items() if entry.named is not None}

    def command(self, pid: int) -> str | None:
        """A command line, fit to be shown, if that is wanted."""
        entry = self.entries.get(pid)
        return None if entry is None else entry.command

    def stat(self, pid: int) -> ProcStat | None:
        """What the kernel last said of a process."""
        entry = self.entries.get(pid)
        return None if entry is None else entry.stat

    def _look_at(self, pid: int, now: float) -> None:
        known, stat = self.entries.pop(pid, None), proc.stat(pid)
        if stat is None:
            return
        if known is None or known.stat.start_ticks != stat.start_ticks:
            known = Entry(stat, now)
        young, renamed = now - known.first_seen < YOUNG, known.stat.name != stat.name
        known.stat, known.due = stat, now if young else now + LOOK_EVERY
        if known.member is not None and known.member.parent != stat.parent:
            known.member = replace(known.member, parent=stat.parent)
        self.entries[pid] = known
        never = stat.kernel or stat.ended or self._own in (pid, stat.parent)
        if not never and (young or renamed or known.member is None):
            self._look_closely(pid, known)

    def _look_closely(self, pid: int, entry: Entry) -> None:
        """Find out what it runs; unless it is blocked, which is tried again at the next look."""
        if entry.stat.blocked:
            entry.due = 0.0
            return
        try:
            close = close_look.look(pid, entry.stat)
        except close_look.Gone:
            del self.entries[pid]
            return
        entry.member, entry.named, entry.command = close.member, self._name(close.words), self._show(close.words)
