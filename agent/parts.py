"""The daemon's parts, each as a worker with its own bell: sources, the evaluator, one notifier a channel, housekeeping.

Every part opens its own connection to the store, on its own thread. Parts meet through the store and the board, and
wake each other by their bells.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agent.core.clock import SECOND, Clock, Instant
from agent.core.lives import SIGN_EVERY
from agent.core.ports import Patient, Source
from agent.runtime.bell import Bell
from agent.runtime.board import Board
from agent.runtime.conditions import Conditions
from agent.runtime.direct import DirectWay
from agent.runtime.dispatch import Dispatch
from agent.runtime.evaluator import TICK, Evaluator
from agent.runtime.evaluator_settings import Settings
from agent.runtime.heartbeat import Heartbeat
from agent.runtime.housekeeping import INTERVAL, Housekeeping
from agent.runtime.metrics import Metrics
from agent.runtime.notifier import IDLE, LEASE_MARGIN, Notifier
from agent.runtime.outlet import Compose, Outlet
from agent.runtime.reporter import Reporter, Reporting
from agent.runtime.source_worker import SourceStep
from agent.runtime.supervisor import Stage, Supervisor
from agent.runtime.worker import Next, Step, Worker
from agent.store.directory import StateDirectory

EVALUATOR = "evaluator"
HOUSEKEEPING = "housekeeping"
HEARTBEAT = "heartbeat"
REPORTER = "reporter"
NOTIFIER = "notify-"
"""What the name of a channel's worker begins with."""


class Bells:
    """Every part's bell by the part's name."""

    def __init__(self) -> None:
        self._bells: dict[str, Bell] = {}

    def new(self, name: str) -> Bell:
        """Hang up a bell for a part that is about to start."""
        self._bells[name] = Bell()
        return self._bells[name]

    def ring(self, name: str) -> None:
        """Wake a part, if it is there."""
        bell = self._bells.get(name)
        if bell is not None:
            bell.ring()

    def ring_all(self, *beginnings: str) -> None:
        """Wake every part whose name begins like one of these."""
        for name in list(self._bells):
            if name.startswith(beginnings):
                self.ring(name)

    def ringer(self, name: str) -> Callable[[], None]:
        """The function that wakes a part, also one that starts later."""
        return lambda: self.ring(name)


@dataclass(frozen=True)
class Parts:
    """Makes parts and hands them to the supervisor."""

    clock: Clock
    board: Board
    metrics: Metrics
    directory: StateDirectory
    supervisor: Supervisor
    run_id: str
    """Names this process in leases."""
    clean: Callable[[str], str]
    """Takes secrets out of texts."""
    bells: Bells = field(default_factory=Bells)
    direct: DirectWay = field(default_factory=DirectWay)
    """What goes out past a store that refuses."""

    def add_source(self, source: Source) -> None:
        """Run a source."""
        step = SourceStep(
            source, self.directory.connect, self.board, self.clock,
            on_events=self.bells.ringer(EVALUATOR),
            observe=lambda seconds: self.metrics.looked(source.name, seconds),
            clean=self.clean,
        )  # fmt: skip
        self._add(
            Stage.SOURCES, source.name, step, step.close, interval=source.interval, source=True,
            deadline=source.deadline if isinstance(source, Patient) else None,
        )  # fmt: skip

    def add_evaluator(self, settings: Callable[[], Settings]) -> None:
        """Run the evaluator."""

        def build(now: Instant) -> tuple[Step, Callable[[], None]]:
            database = self.directory.connect()
            conditions = Conditions(database, self.board, self.directory.reserve)
            dispatch = Dispatch(database, self.board, self.metrics, announce=self.announce, direct=self.direct)
            evaluator = Evaluator(
                settings, database, self.board, self.metrics, conditions, dispatch, now, wished=self._wake_sources
            )
            return evaluator.step, database.close

        lazy = _OnThread(build)
        self._add(Stage.EVALUATOR, EVALUATOR, lazy.step, lazy.close, interval=TICK)

    def add_notifier(self, outlet: Outlet, compose: Compose) -> None:
        """Run one channel's notifier."""
        notifier = Notifier(
            outlet, self.run_id, self.directory.connect, self.clock, self.metrics, compose,
            settled=self.bells.ringer(EVALUATOR), direct=self.direct,
        )  # fmt: skip
        self._add(
            Stage.NOTIFIERS, NOTIFIER + outlet.name, notifier.step, lambda _: notifier.close(), interval=IDLE,
            deadline=outlet.timeout + LEASE_MARGIN / SECOND,
        )  # fmt: skip

    def add_housekeeping(
        self, retention: Callable[[], tuple[float, int]], check_later: Callable[[], str | None] | None
    ) -> None:
        """Forget what is old."""
        house = Housekeeping(self.directory.connect, retention, check_later)
        self._add(Stage.SOURCES, HOUSEKEEPING, house.step, house.close, interval=INTERVAL)

    def add_heartbeat(self, ping: Callable[[bool], None], interval: float) -> None:
        """Give signs of life."""
        beat = Heartbeat(ping, interval, self.directory.connect, self.board, self.metrics)
        self._add(Stage.SOURCES, HEARTBEAT, beat.step, lambda _: None, interval=interval)

    def add_reporter(self, reporting: Callable[[], Reporting]) -> None:
        """Keep the books and make the reports that are due."""
        reporter = Reporter(
            reporting, self.directory.connect, self.board, self.clock.now().wall, made=self.bells.ringer(EVALUATOR)
        )
        self._add(Stage.SOURCES, REPORTER, reporter.step, reporter.close, interval=SIGN_EVERY / SECOND)

    def announce(self, channels: Iterable[str]) -> None:
        """Wake the notifiers of these channels."""
        for channel in channels:
            self.bells.ring(NOTIFIER + channel)

    def _add(
        self, stage: Stage, name: str, step: Step, at_end: Callable[[Instant], None], *, interval: float,
        deadline: float | None = None, source: bool = False,
    ) -> None:
        worker = Worker(
            name, step, bell=self.bells.new(name), clock=self.clock, board=self.board, interval=interval,
            deadline=deadline, source=source, at_end=at_end,
        )  # fmt: skip
        self.supervisor.add(stage, worker)

    def _wake_sources(self) -> None:
        self.bells.ring_all("logs", "exits", "cgroups")


class _OnThread:
    """A step that is built at its first run, on the thread that runs it: a connection belongs to one thread."""

    def __init__(self, build: Callable[[Instant], tuple[Step, Callable[[], None]]]) -> None:
        self._build = build
        self._built: tuple[Step, Callable[[], None]] | None = None

    def step(self, now: Instant) -> Next:
        if self._built is None:
            self._built = self._build(now)
        return self._built[0](now)

    def close(self, now: Instant) -> None:  # noqa: ARG002 - the shape of a worker's end
        if self._built is not None:
            self._built[1]()
