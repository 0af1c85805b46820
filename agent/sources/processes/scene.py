"""What one look at the processes of a node shows, before anything is made of it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from agent.core.clock import Instant
from agent.core.ports import LogHeld, TreeReading
from agent.core.programs import Kind
from agent.core.trees import Member, Tree, above
from agent.sources.processes.holdings import Pid

_MISTAKABLE = frozenset({
    "a notebook", "an inference server", "a test runner", "an interactive interpreter",
    "a command given to Python as text",
})  # fmt: skip
"""What people may take for training though it is none, and so are told of; by the words of `core/programs`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All processes by pid. `names`: what the user calls some of them; `known`: those that lead running jobs."""

    at: Instant
    members: Mapping[int, Member]
    names: Mapping[int, str]
    known: Collection[Pid]

    def asides(self) -> Iterator[TreeReading]:
        """Programs that look like training, or hold a GPU, and are something else; the topmost of each kind."""
        for member in filter(_is_aside, self.members.values()):
            if member.program.why not in {item.program.why for item in above(member, self.members)}:
                yield TreeReading(member.pid, member.program.name, False, f"is {member.program.why}", uid=member.uid)


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and what it writes."""

    tree: Tree
    logs: tuple[LogHeld, ...] = ()

    @property
    def leader(self) -> Pid:
        """The leading process."""
        return self.tree.leader.key

    @property
    def paths(self) -> tuple[str, ...]:
        """The files among its logs that can be read."""
        return tuple(log.path for log in self.logs if log.path is not None and log.trouble is None)


class Belonging:
    """To which job's leader processes belong: what outlives its launcher is no run of its own."""

    def __init__(self) -> None:
        self._leaders: dict[Pid, Pid] = {}

    def kept(self, members: Mapping[int, Member]) -> dict[int, int]:
        """By pid: the pid of the leader to which a process belonged; 0 where that has gone."""
        living = {member.key for member in members.values()}
        self._leaders = {pid: leader for pid, leader in self._leaders.items() if pid in living}
        return {pid[0]: leader[0] if leader in living else 0 for pid, leader in self._leaders.items()}

    def note(self, tree: Tree) -> None:
        """Remember the members of a job."""
        self._leaders.pop(tree.leader.key, None)
        self._leaders |= {member.key: tree.leader.key for member in tree.members[1:]}


def _is_aside(member: Member) -> bool:
    return member.program.kind is Kind.ASIDE and (member.gpu or member.program.why in _MISTAKABLE)
