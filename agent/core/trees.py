"""Which processes belong to one run: a launcher with all its ranks, a script with its workers. Pure.

A process belongs to the topmost launcher above it. Where there is none, a script takes in what it has forked, spawned
as ranks or as helpers; another script that it starts is a run of its own, as in a sweep, unless it trains itself.
Ranks that nothing visible has launched are one run if their environment or their scheduler says so.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.core.launchers import Program
from agent.core.places import Place
from agent.core.programs import Kind

SEVERAL = 2
"""Ranks on one node that show that something has launched them."""
NOWHERE = Place()
_DEEP = 64
"""The longest line of ancestors that is followed."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process as far as grouping needs it."""

    pid: int
    parent: int
    start_ticks: int
    program: Program
    place: Place = NOWHERE
    uid: int | None = None
    command: int = 0
    """Equal for equal command lines: a fork keeps that of its parent."""
    gpu: bool = False
    """Whether it holds a GPU for computing."""
    marked: bool = False
    """Whether it is known to lead a job, or described by the user as one."""
    ray: str | None = None
    """The Ray job for which it works, or which it drives."""
    pid_namespace: int | None = None
    inner_pid: int | None = None
    """Its namespace and its number there, if that is not the agent's."""

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from other processes since the boot."""
        return self.pid, self.start_ticks

    @property
    def trains(self) -> bool:
        """Whether it may train by itself."""
        return self.program.kind is Kind.TRAINER or (self.gpu and self.program.kind is Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Tree:
    """One run: its leader, everything that belongs to it, and those that are ranks."""

    leader: Member
    members: tuple[Member, ...]
    """The leader first, then in the order of their starts."""
    ranks: tuple[Member, ...] = ()

    @property
    def launched(self) -> str | None:
        """What launched the ranks, in words; None if nothing shows that anything did."""
        several = len(self.ranks) >= SEVERAL
        if self.leader.program.launcher is None:
            return f"one of {len(self.ranks)} ranks" if several and self.leader in self.ranks else (
                f"starts {len(self.ranks)} ranks" if several else None
            )
        starts = any(member.trains for member in self.members[1:])
        return f"started by {self.leader.program.launcher}" if starts else None


def grow(processes: Mapping[int, Member], kept: Mapping[int, int] | None = None) -> list[Tree]:
    """Group processes by pid into trees, in the order of their leaders' starts.

    `kept`: to which leader's pid a process belonged before, if to another's than its own; 0 for one that has gone. A
    process that has lost its parent stays with its leader, and belongs to nothing once that has gone.
    """
    kept = kept or {}
    found: dict[int, list[Member]] = defaultdict(list)
    for member in processes.values():
        leader = _leader(member, processes)
        if leader is member and member.pid in kept and not _is_above(kept[member.pid], member, processes):
            leader = processes.get(kept[member.pid])
        if leader is not None:
            found[leader.pid].append(member)
    trees = [_tree(processes[pid], members, processes) for pid, members in found.items()]
    return sorted(_joined(trees, processes), key=lambda tree: (tree.leader.start_ticks, tree.leader.pid))


def above(member: Member, processes: Mapping[int, Member]) -> Iterator[Member]:
    """The processes above one, nearest first."""
    for _ in range(_DEEP):
        parent = processes.get(member.parent)
        if parent is None or parent.start_ticks > member.start_ticks:
            return
        yield parent
        member = parent


def _is_above(pid: int, member: Member, processes: Mapping[int, Member]) -> bool:
    return any(item.pid == pid for item in above(member, processes))


def _leader(member: Member, processes: Mapping[int, Member]) -> Member | None:
    """Who leads the run that a process belongs to; None if it belongs to none."""
    relevant = member.trains or member.marked or member.program.kind in (Kind.LAUNCHER, Kind.WORKER) or member.gpu
    if not relevant:
        return None
    line = (member, *above(member, processes))
    marked = [item for item in line if item.marked]
    if marked:
        return marked[-1]
    end = next((place for place, item in enumerate(line) if item.program.kind is Kind.ASIDE), len(line))
    line = line[:end]
    launchers = [item for item in line if item.program.kind is Kind.LAUNCHER]
    return launchers[-1] if launchers else _root([item for item in line if item.trains or item is member])


def _root(line: Sequence[Member]) -> Member | None:
    """Climb from a process to the script that it is a part of."""
    current: Member | None = None
    for item in line:
        if current is None or _is_part(current, item):
            current = item if item.trains else current
        else:
            break
    return current


def _is_part(child: Member, parent: Member) -> bool:
    if child.command == parent.command or parent.gpu:
        return True
    ranked = child.place.rank is not None and (child.place.size or 0) >= SEVERAL
    return ranked and parent.place.rank in (None, child.place.rank)


def _tree(leader: Member, members: Sequence[Member], processes: Mapping[int, Member]) -> Tree:
    ordered = sorted((item for item in members if item is not leader), key=lambda item: item.key)
    everybody = (leader, *ordered)
    return Tree(leader, everybody, tuple(item for item in everybody if _is_rank(item, leader, processes)))


def _is_rank(member: Member, leader: Member, processes: Mapping[int, Member]) -> bool:
    """Whether a member is a rank itself, and no launcher, and no worker that has inherited its environment."""
    if member.place.rank is None or member.program.kind not in (Kind.TRAINER, Kind.OTHER):
        return False
    for item in above(member, processes):
        if item.place.rank == member.place.rank and item.trains:
            return False
        if item is leader:
            break
    return True


def _joined(trees: Sequence[Tree], processes: Mapping[int, Member]) -> Iterator[Tree]:
    """Join trees that are parts of one run: steps of Slurm with their `srun`, Ray's actors with their driver, ranks."""
    grouped: dict[str, list[Tree]] = defaultdict(list)
    leading: dict[str, list[Tree]] = defaultdict(list)
    for tree in trees:
        leads, group = _leads(tree.leader), _group(tree.leader, processes)
        if leads is not None:
            leading[leads].append(tree)
        elif group is not None:
            grouped[group].append(tree)
        else:
            yield tree
    for group, parts in grouped.items():
        head = _head(group, parts, leading)
        if head is not None:
            yield _together([head, *parts], led=True)
        elif any(part.leader.program.launcher is not None or part.leader.marked for part in parts):
            yield from parts
        else:
            yield _together(parts, led=False)
    for heads in leading.values():
        yield from heads


def _together(parts: Sequence[Tree], *, led: bool) -> Tree:
    """One tree of several. Without a leader of all, the rank with the lowest number stands for them."""
    ordered = sorted(parts, key=lambda part: (part.leader.place.rank or 0, part.leader.key))
    leader = (parts if led else ordered)[0].leader
    members = sorted({item.key: item for part in parts for item in part.members}.values(), key=lambda item: item.key)
    ranks = sorted({item.key: item for part in parts for item in part.ranks}.values(), key=lambda item: item.key)
    return Tree(leader, (leader, *(item for item in members if item is not leader)), tuple(ranks))


def _head(group: str, parts: Sequence[Tree], leading: Mapping[str, list[Tree]]) -> Tree | None:
    """Take the tree that leads a group: of several the last that was started before it."""
    first = min(part.leader.start_ticks for part in parts)
    heads = [(leads, tree) for leads, trees in leading.items() if group.startswith(leads) for tree in trees]
    heads = [item for item in heads if group.startswith("ray:") or item[1].leader.start_ticks <= first]
    if not heads:
        return None
    leads, head = max(heads, key=lambda item: item[1].leader.key)
    leading[leads].remove(head)
    return head


def _leads(leader: Member) -> str | None:
    """The beginning of the groups that a process leads, though they are not below it."""
    if leader.program.launcher == "srun" and leader.place.slurm_job is not None:
        return f"slurm:{leader.place.slurm_job}:"
    return None if leader.ray is None or leader.program.name.startswith("ray::") else f"ray:{leader.ray}"


def _group(leader: Member, processes: Mapping[int, Member]) -> str | None:
    """What run a leader says that it belongs to; who launches ranks stands for a run by itself, but for Slurm's."""
    bracket = next((item.program.group for item in above(leader, processes) if item.program.group), None)
    own = leader.place.group
    if bracket is not None or (own is not None and own.startswith("slurm:")):
        return bracket or own
    if leader.ray is not None:
        return f"ray:{leader.ray}"
    return None if leader.program.launcher is not None else own
