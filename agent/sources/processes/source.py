"""The process source: which processes train, which of them are one run, and where their output goes.

Which processes belong together is decided in `core/trees`, and what is taken for a job in `core/taking`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from agent.core.clock import Instant
from agent.core.facts import Event
from agent.core.jobs import process_key
from agent.core.model import Json
from agent.core.ports import Reading, TreeReading, Unavailable
from agent.core.programs import Kind
from agent.core.taking import judge
from agent.core.trees import Member, grow
from agent.sources.processes.evidence import Progress, Witness
from agent.sources.processes.holdings import Holdings
from agent.sources.processes.portrait import Setting, started_at
from agent.sources.processes.scene import Belonging, Run, Scene
from agent.sources.processes.settings import Config, Descriptions
from agent.sources.processes.table import Read, Table
from agent.sources.processes.telling import SOURCE, Telling
from agent.sources.processes.writing import Writing

__all__ = ["Config", "ProcessSource"]

ProcessKey = tuple[str, int, int]
"""A process by boot id, pid and start ticks."""

_MAY_DRAW = frozenset({Kind.OTHER, Kind.ASIDE})


class ProcessSource:
    """Implements `core.ports.Source`.

    `leaders` gives the processes that lead running jobs. `discover`: whether to find out what runs write to. `show`
    gives command lines as they are told, by default not at all. `own`: the agent's pid, which is left out with all that
    it has started.
    """

    name = SOURCE

    def __init__(
        self, config: Config, descriptions: Descriptions, *, leaders: Callable[[], Collection[ProcessKey]],
        progress: Progress, discover: bool = True, show: Read = lambda _: None, own: int | None = None,
    ) -> None:  # fmt: skip
        self.interval = config.interval
        self._descriptions = descriptions
        self._leaders = leaders
        self._discover = discover
        self._table = Table(descriptions.by_command, show, own)
        self._holdings = Holdings()
        self._writing = Writing(self._table, self._holdings)
        self._witness = Witness(progress)
        self._telling = Telling()
        self._belonging = Belonging()
        self._setting: Setting | None = None
        self._watched: frozenset[int] = frozenset()

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Continue where the checkpoint says."""
        self._telling.restore(checkpoint)

    def read(self, now: Instant) -> Reading:
        """Look at all processes once."""
        setting = self._here()
        scene = self._look(now, setting)
        trees = grow(scene.members, self._belonging.kept(scene.members))
        runs = [Run(tree, self._writing.of(tree) if self._discover else ()) for tree in trees]
        self._watched = frozenset(member.pid for tree in trees for member in tree.members)
        self._witness.note(runs, now)
        readings = [self._judged(run, scene, setting) for run in runs]
        told = [self._told(run, reading, now) for run, reading in zip(runs, readings, strict=True) if reading.taken]
        living = {process_key(setting.boot, *member.key) for member in scene.members.values()}
        return Reading(
            events=tuple(event for event in told if event is not None),
            checkpoint=self._telling.checkpoint(living),
            trees=(*readings, *scene.asides()),
        )

    def close(self) -> None:
        """Nothing is held."""

    def _here(self) -> Setting:
        if self._setting is None:
            try:
                self._setting = Setting.here()
            except OSError:
                raise Unavailable("processes are watched on Linux with /proc only") from None
        return self._setting

    def _look(self, now: Instant, setting: Setting) -> Scene:
        """Look at all processes, at what they hold, and at what the user says of them."""
        self._table.look(now.monotonic, self._watched)
        members = self._table.members()
        self._holdings.begin(now.monotonic, (member.key for member in members.values()))
        names = self._table.names() | self._descriptions.by_file()
        known = {(pid, ticks) for boot, pid, ticks in self._leaders() if boot == setting.boot}
        told_to_lead = {pid for pid in known if not self._telling.found_itself(process_key(setting.boot, *pid))}
        completed = {
            pid: self._completed(member, marked=pid in names or member.key in told_to_lead)
            for pid, member in members.items()
        }
        return Scene(now, completed, names, known)

    def _completed(self, member: Member, *, marked: bool) -> Member:
        """Add what a process holds, and whether somebody has said that it leads a job."""
        kind = member.program.kind
        gpu = kind is not Kind.CARRIER and self._holdings.holds_gpu(member.key, may_draw=kind in _MAY_DRAW)
        ray = self._holdings.ray_job(member.key) if kind is Kind.TRAINER else None
        return replace(member, gpu=gpu, marked=marked, ray=ray) if gpu or marked or ray else member

    def _judged(self, run: Run, scene: Scene, setting: Setting) -> TreeReading:
        """Whether a run is a job, and what is seen of it."""
        leader, logs = run.tree.leader, run.logs
        verdict = judge(run.tree, self._witness.evidence(run, scene))
        key = process_key(setting.boot, *leader.key)
        began = self._telling.began(key, lambda: started_at(leader, scene.at))
        seen = setting.seen(run, scene, because=verdict.because, began=began)
        seen = replace(seen, command=self._table.command(leader.pid))
        pids = tuple(member.pid for member in run.tree.members)
        return TreeReading(leader.pid, seen.name, verdict.taken, verdict.because, seen, pids, logs, leader.uid)

    def _told(self, run: Run, reading: TreeReading, now: Instant) -> Event | None:
        """The event that tells of a job, if there is news of it."""
        self._belonging.note(run.tree)
        seen = reading.seen
        return None if seen is None else self._telling.news(seen, now.wall, marked=run.tree.leader.marked)
