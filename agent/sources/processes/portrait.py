"""A run as it is told: its leader, its ranks, its model, and where it writes to."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from agent.core.clock import SECOND, Instant
from agent.core.places import GPUS_AT_MOST
from agent.core.processes import RANKS_AT_MOST
from agent.core.sightings import RankSeen, TreeSeen
from agent.core.trees import Member, Tree, above
from agent.sources import proc
from agent.sources.processes.scene import Run, Scene

_TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second, in which the kernel tells the starts of processes."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where all processes are seen: this boot, and the namespace in which the agent counts their pids."""

    boot: str
    namespace: int | None

    @classmethod
    def here(cls) -> "Setting":
        """Find out. Raises OSError where there is no Linux `/proc`."""
        return cls(proc.boot_id(), proc.pid_namespace())

    def seen(self, run: Run, scene: Scene, *, because: str, began: int) -> TreeSeen:
        """Describe a run. `began`: when its leader was started, UTC milliseconds."""
        tree, leader, name = run.tree, run.tree.leader, scene.names.get(run.tree.leader.pid)
        inner = None
        if leader.pid_namespace is not None and leader.inner_pid is not None:
            inner = leader.pid_namespace, leader.inner_pid
        return TreeSeen(
            self.boot, leader.pid, leader.start_ticks, began, name or leader.program.name, because,
            declared=name is not None,
            logs=run.paths,
            log_offset=next((log.begin or 0 for log in run.logs if log.path in run.paths), 0),
            ranks=tuple(map(_rank, tree.ranks[:RANKS_AT_MOST])),
            within=tuple(item.key for item in above(leader, scene.members)),
            pid_namespace=self.namespace,
            inner=inner,
            uid=leader.uid,
            model=_first(item.program.model for item in tree.members),
            framework=_first(item.program.framework for item in tree.members),
            gpus=_gpus(tree),
        )  # fmt: skip


def started_at(member: Member, now: Instant) -> int:
    """When a process was started, UTC milliseconds, by the clock as it is set now."""
    return now.wall - round((proc.uptime() - member.start_ticks / _TICKS) * SECOND)


def _rank(member: Member) -> RankSeen:
    return RankSeen(member.pid, member.start_ticks, member.place.rank, member.place.local_rank)


def _gpus(tree: Tree) -> tuple[str, ...]:
    """The GPUs that the leader may use, or all its ranks together."""
    found = tree.leader.place.gpus or tuple(gpu for rank in tree.ranks for gpu in rank.place.gpus)
    return tuple(dict.fromkeys(found))[:GPUS_AT_MOST]


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)
