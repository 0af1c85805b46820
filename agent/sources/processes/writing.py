"""Where the output of a run goes: the files that its processes hold open, also behind `tee` and other filters.

Nothing that a name leads to is touched: a file may lie on a mount that hangs whoever looks at it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from agent.core.log_names import looks_like_log
from agent.core.outputs import output, unread_pipe
from agent.core.ports import LogHeld
from agent.core.processes import LOGS_AT_MOST
from agent.core.programs import Kind
from agent.core.trees import Member, Tree
from agent.sources.processes.holdings import Holdings, Pid
from agent.sources.processes.mount_tables import MountTables
from agent.sources.processes.open_files import STDERR, STDOUT
from agent.sources.processes.table import Table

_STREAMS = {STDOUT: "standard output", STDERR: "standard error"}
_FILTERS_AT_MOST = 4
"""Programs between a run and its log: `python train.py | grep -v nan | tee train.log` has two."""
_READERS_AT_MOST = 64
"""Processes among which the reader of a pipe is looked for."""
_UNSEEN = "its open files may not be seen: run the agent as root, or as the user who trains"
_CONTAINED = "in a container, which the agent cannot reach: write it to a folder that is mounted from this machine"


@dataclass(frozen=True, slots=True)
class _Writer:
    """A process that writes, and how to name what it writes."""

    pid: Pid
    what: str
    uid: int | None
    beside: Pid | None = None
    """The process above it, which may have written to the same file before."""


class Writing:
    """What the runs of one look write."""

    def __init__(self, table: Table, holdings: Holdings) -> None:
        self._table = table
        self._holdings = holdings
        self._mounts = MountTables()

    def of(self, tree: Tree) -> tuple[LogHeld, ...]:
        """Everything that the processes of a run write to, the leader's standard output first; each once."""
        found: dict[str, LogHeld] = {}
        for member in _speakers(tree):
            for held in self._outputs(member, tree):
                found.setdefault(held.path or held.trouble or "", held)
        return tuple(found.values())[:LOGS_AT_MOST]

    def _outputs(self, member: Member, tree: Tree) -> Iterator[LogHeld]:
        who = f"{member.program.name} (pid {member.pid})"
        links = self._holdings.links(member.key)
        if links is None:
            yield LogHeld(f"what {who} writes", trouble=_UNSEEN, uid=member.uid)
            return
        beside = None if any(item.pid == member.parent for item in tree.members) else self._key(member.parent)
        for number, word in _STREAMS.items():
            if number in links:
                yield from self._stream(_Writer(member.key, f"the {word} of {who}", member.uid, beside), number, tree)
        for number, target in links.items():
            path = output(target).path
            if number not in (0, *_STREAMS) and path is not None and looks_like_log(path):
                yield from self._file(_Writer(member.key, f"a log that {who} holds open", member.uid), number, path)

    def _stream(self, writer: _Writer, number: int, tree: Tree, filters: int = 0) -> Iterator[LogHeld]:
        """Where one stream ends, be it beyond several pipes."""
        found = output((self._holdings.links(writer.pid) or {}).get(number, ""))
        if found.path is not None:
            yield from self._file(writer, number, found.path)
        elif found.pipe is not None and filters < _FILTERS_AT_MOST:
            yield from self._beyond(writer, found.pipe, tree, filters)
        else:
            yield LogHeld(writer.what, trouble=found.trouble, uid=writer.uid)

    def _beyond(self, writer: _Writer, pipe: int, tree: Tree, filters: int) -> Iterator[LogHeld]:
        """What becomes of what goes into a pipe. A launcher that reads it passes it on as its own output."""
        above = [item.key for item in tree.members if item.program.kind is Kind.LAUNCHER]
        if self._reader(pipe, above) is not None:
            return
        reader = self._reader(pipe, self._near(writer.pid))
        if reader is None:
            yield LogHeld(writer.what, trouble=unread_pipe(None), uid=writer.uid)
            return
        stat = self._table.stat(reader[0])
        through = f"{stat.name if stat else '?'} (pid {reader[0]})"
        onward = replace(writer, pid=reader, what=f"{writer.what}, through {through}", beside=None)
        files = [held for number in self._holdings.links(reader) or {} for held in self._written(onward, number)]
        streams = [] if files else list(self._stream(onward, STDOUT, tree, filters + 1))
        if files or any(held.path for held in streams):
            yield from files or streams
        else:
            yield LogHeld(writer.what, trouble=unread_pipe(through), uid=writer.uid)

    def _written(self, writer: _Writer, number: int) -> Iterator[LogHeld]:
        """A file that a filter writes, whatever its name."""
        path = output((self._holdings.links(writer.pid) or {}).get(number, "")).path
        if path is not None and number != STDERR:
            yield from self._file(writer, number, path)

    def _file(self, writer: _Writer, number: int, path: str) -> Iterator[LogHeld]:
        """One file, if it is written to, with where the run begins in it."""
        info = self._holdings.info(writer.pid, number)
        if info is None or not info.writes:  # closed meanwhile, or only read
            return
        here = self._mounts.path_here(writer.pid[0], info.mount, path, self._holdings.now)
        if here is None:
            yield LogHeld(writer.what, trouble=f"goes to {path} {_CONTAINED}", uid=writer.uid)
            return
        shared = writer.beside is not None and (self._holdings.links(writer.beside) or {}).get(number) == path
        fresh = not info.appends and not shared
        yield LogHeld(writer.what, here, 0 if fresh else None, uid=writer.uid)

    def _reader(self, pipe: int, candidates: Iterable[Pid]) -> Pid | None:
        """The process among some that reads a pipe."""
        name = f"pipe:[{pipe}]"
        for pid in candidates:
            ends = [number for number, target in (self._holdings.links(pid) or {}).items() if target == name]
            infos = [self._holdings.info(pid, number) for number in ends]
            if any(info is not None and info.reads for info in infos):
                return pid
        return None

    def _near(self, writer: Pid) -> list[Pid]:
        """Processes that may read what another one writes: of its pipeline first, then of its session."""
        own = self._table.stat(writer[0])
        if own is None:
            return []
        every = [(pid, entry.stat) for pid, entry in self._table.entries.items() if pid != writer[0]]
        pipeline = [(pid, stat.start_ticks) for pid, stat in every if stat.group == own.group]
        session = [(pid, stat.start_ticks) for pid, stat in every if stat.session == own.session]
        return list(dict.fromkeys((*pipeline, *session)))[:_READERS_AT_MOST]

    def _key(self, pid: int) -> Pid | None:
        stat = self._table.stat(pid)
        return None if stat is None else (pid, stat.start_ticks)


def _speakers(tree: Tree) -> Iterator[Member]:
    """The processes of a run that write for themselves: not its workers, and no copies of one that does."""
    members = {item.pid: item for item in tree.members}
    for member in tree.members:
        parent = members.get(member.parent)
        copy = parent is not None and parent.command == member.command
        if member is tree.leader or (member.program.kind is not Kind.WORKER and not copy):
            yield member
