"""The life of the daemon: take what it needs, start every part, watch over them, reload, and stop in order.

Whatever cannot be had (the state directory, the port, a readable database) is an error before anything has started.
"""

import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agent import app, reporting
from agent.banner import banner
from agent.config.errors import ConfigError
from agent.config.load import Loaded, load
from agent.core.clock import Clock, Instant
from agent.core.facts import Event, HandedIn, event_id
from agent.core.model import AlertType, Severity, Status
from agent.core.ports import Source
from agent.core.redact import Redactor
from agent.parts import Parts
from agent.release import release
from agent.roster import Roster
from agent.runtime import log, memory, systemd
from agent.runtime.bell import Bell
from agent.runtime.board import Board
from agent.runtime.clock import SystemClock
from agent.runtime.gpu_board import PAUSED
from agent.runtime.log import event
from agent.runtime.metrics import Metrics
from agent.runtime.signals import Signals
from agent.runtime.steering import Steering
from agent.runtime.supervisor import Part, Stage, Supervisor
from agent.runtime.timer import Timer
from agent.runtime.view import AgentView
from agent.store import events, meta, outbox
from agent.store.directory import StateDirectory
from agent.store.errors import StoreError
from agent.web.listener import Listener, ListenError

TICK = 2.0
"""Seconds between two looks at the parts."""
STARTING_TICK = 0.05
"""The same until everything has started."""
EVALUATOR_ALIVE = 30.0
"""Seconds without a finished round after which the watchdog is fed no more."""
SECRETS_CHECKED_EVERY = 5.0
"""Seconds between two looks at the files that hold secrets."""
MOUNTS_CHECKED_EVERY = 5.0
"""Seconds between two looks at which mounts hold logs."""
MEMORY_GIVEN_BACK_EVERY = 60.0
"""Seconds after which what a look at many logs or a report has left behind is given back; it takes 0.1 ms."""
STATUS_EVERY = 10.0
"""Seconds between two status lines for systemd, unless its watchdog wants to be fed more often."""
MICROSECONDS = 1_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the command line says things are."""

    config: Path | None
    state_dir: Path | None
    environ: Mapping[str, str]

    def load(self) -> Loaded:
        """Read the configuration. Raises ConfigError."""
        return load(config=self.config, state_dir=self.state_dir, environ=self.environ, schema=app.schema())


class Unstartable(Exception):  # noqa: N818 - a state of the world, not a fault
    """There is nothing to start on; the text says what could not be had and why."""


def run(place: Place, besides: Iterable[Source] = ()) -> None:
    """Run the daemon until it is asked to end. `besides`: sources that no configuration names.

    Raises ConfigError or Unstartable.
    """
    memory.share_one_arena()
    with ExitStack() as stack:
        try:
            agent = Daemon(place, place.load(), SystemClock(), stack, besides)
        except (StoreError, ListenError) as error:
            raise Unstartable(str(error)) from None
        agent.run()


class Daemon:
    """One agent on one state directory."""

    def __init__(
        self, place: Place, loaded: Loaded, clock: Clock, stack: ExitStack, besides: Iterable[Source] = ()
    ) -> None:
        """Take the state directory, the port and the database; `stack` lets them go.

        Raises ListenError or StoreError, whose texts say what could not be had and why.
        """
        self._place = place
        self._begun = self._loaded = loaded
        self._clock = clock
        self._besides = besides
        self._policy = app.evaluator_settings(loaded)
        self._reporting = reporting.wanted(loaded, place.environ)
        self._redactor = Redactor(loaded.secrets)
        self._clean_stop = False
        self._ready = False
        self._directory = StateDirectory.take(loaded.state_dir)
        stack.callback(lambda: self._directory.close(clean=self._clean_stop))
        server = loaded.settings.server
        self._listener = Listener.bind(server.address) if server.enabled else None
        self._opened = self._directory.open(clock.now().wall)
        agent = loaded.settings.agent
        self._logging = log.setup(agent.log_level, log.Format(agent.log_format), self._clean)
        stack.callback(self._logging.close)
        self._service = systemd.Notifier.from_environ(place.environ)
        self._assemble()

    def run(self) -> None:
        """Run until asked to end by SIGTERM or SIGINT; SIGHUP reloads."""
        bell = Bell()
        with Signals(bell) as signals:
            self._start()
            while not signals.stop:
                bell.wait(TICK if self._ready else STARTING_TICK)
                now = self._clock.now()
                self._look_after(now)
                if signals.take_reload() or self._secrets_changed(now):
                    self._reload(now)
        self._stop()

    def _assemble(self) -> None:
        this_release = release()
        self._board = Board()
        self._supervisor = Supervisor(self._board, self._clock)
        self._showing = app.showing(self._loaded, self._place.environ)
        self._view = AgentView(self._board, self._directory.connect, self._clock, lambda: self._showing, this_release)
        self._metrics = Metrics(this_release, self._board, self._view.snapshot, lambda: self._logging.dropped)
        self._view.page = self._metrics.page
        self._parts = Parts(
            self._clock, self._board, self._metrics, self._directory, self._supervisor, uuid.uuid4().hex, self._clean
        )
        self._steering = Steering(self._directory.connect, self._clock)
        self._roster = Roster(self._parts, self._board, self._clock, self._place.environ)
        self._status_due = Timer(min(STATUS_EVERY, self._service.watchdog_interval or STATUS_EVERY))
        self._secrets_due = Timer(SECRETS_CHECKED_EVERY)
        self._mounts_due = Timer(MOUNTS_CHECKED_EVERY)
        self._memory_due = Timer(MEMORY_GIVEN_BACK_EVERY)
        self._secret_stamps = _stamps(self._loaded)

    def _start(self) -> None:
        """Start every part; what an earlier process was sending is sent again."""
        with self._directory.connect() as database:
            database.write(outbox.recover)
            self._board.gpus.paused = bool(database.read(lambda conn: meta.get(conn, PAUSED)))
            if self._opened.damaged_aside is not None:
                loss = [_loss(self._opened.damaged_aside, self._clock.now())]
                database.write(lambda conn: events.append(conn, loss))
        self._steering.lift()
        if self._listener is not None:
            self._supervisor.add(Stage.WEB, self._server(self._listener))
        self._parts.add_evaluator(lambda: self._policy)
        self._parts.add_reporter(lambda: self._reporting)
        self._parts.add_housekeeping(self._retention, self._opened.check_later)
        self._roster.adopt(self._loaded)
        for source in self._besides:
            self._parts.add_source(source)
        self._metrics.reloaded(self._clock.now(), successful=True)
        self._supervisor.start()

    def _server(self, listener: Listener) -> Part:
        from agent.web.access import Access  # deferred: an agent that serves nothing does without 6 MiB
        from agent.web.app import build
        from agent.web.server import Server

        access = Access.to(listener.address, self._loaded.settings.server.allowed_hosts)
        return Server(listener, build(self._view, access))

    def _greet(self) -> None:
        """Say what is watched, once every part has had its first turn."""
        self._ready = not self._view.ready()
        if not self._ready:
            return
        self._service.ready()
        address = self._listener.address if self._listener else None
        disks = self._board.samples_of("disk")
        quiet, now = self._policy.rules.quiet_hours, self._clock.now().wall
        absent = {health.name: health.unavailable for health in self._board.healths() if health.unavailable}
        for line in banner(self._loaded, self._policy.recipients, disks, absent, address, self._opened, quiet, now):
            event(_log, logging.INFO, line)
        memory.give_back()

    def _look_after(self, now: Instant) -> None:
        if not self._ready:
            self._greet()
        self._supervisor.tick(now)
        self._roster.renew_stuck(self._loaded)
        if self._mounts_due(now.monotonic):
            self._roster.follow_mounts(self._loaded)
        if self._memory_due(now.monotonic):
            memory.give_back()
        if self._status_due(now.monotonic) and self._progressing(now):
            self._service.watchdog()
            self._service.status(self._view.summary())

    def _progressing(self, now: Instant) -> bool:
        """Whether the evaluator finishes its rounds: that, and no driver or vendor, is what the watchdog watches."""
        beat = self._board.heartbeat()
        return beat is not None and now.monotonic - beat < EVALUATOR_ALIVE

    def _secrets_changed(self, now: Instant) -> bool:
        if not self._secrets_due(now.monotonic):
            return False
        stamps = _stamps(self._loaded)
        changed, self._secret_stamps = stamps != self._secret_stamps, stamps
        return changed

    def _reload(self, now: Instant) -> None:
        """Use the configuration as it is now; if it cannot be used, keep the old one and say so."""
        self._service.reloading(time.monotonic_ns() // 1_000)
        try:
            self._adopt(self._place.load())
        except ConfigError as error:
            self._metrics.reloaded(now, successful=False)
            for problem in error.problems:
                event(_log, logging.ERROR, "the configuration stays as it was", problem=str(problem))
        else:
            self._metrics.reloaded(now, successful=True)
            event(_log, logging.INFO, "the configuration was loaded again")
        self._service.ready()

    def _adopt(self, loaded: Loaded) -> None:
        for key in app.fixed_changes(self._begun, loaded):
            event(_log, logging.WARNING, "a changed setting takes effect at the next start", key=key)
        self._redactor = Redactor((*self._loaded.secrets, *loaded.secrets))
        self._loaded = loaded
        self._secret_stamps = _stamps(loaded)
        self._logging.set_level(loaded.settings.agent.log_level)
        self._policy = app.evaluator_settings(loaded)
        self._reporting = reporting.wanted(loaded, self._place.environ)
        self._showing = app.showing(loaded, self._place.environ)
        self._steering.lift()  # whoever loads a configuration may have put right what suspended a channel
        self._roster.adopt(loaded)
        self._parts.announce(item.name for item in self._policy.recipients)

    def _stop(self) -> None:
        self._service.stopping()
        event(_log, logging.INFO, "stopping")
        left = self._supervisor.stop()
        self._clean_stop = not left
        event(_log, logging.INFO, "stopped", unfinished=", ".join(left) or "nothing")

    def _retention(self) -> tuple[float, int]:
        table = self._loaded.settings.store
        return table.retention, table.max_rows

    def _clean(self, text: str) -> str:
        return self._redactor.clean(text)


def _loss(aside: Path, now: Instant) -> Event:
    """Tell of a damaged database, which only a person can look into."""
    told = HandedIn(
        AlertType.AGENT_DEGRADED,
        Status.FIRING,
        Severity.WARNING,
        title="The agent's database was damaged",
        message=f"It was moved to {aside} and a new one was begun: alerts that waited in it were not sent.",
        labels={"component": "store"},
    )
    return Event(event_id("damaged", str(aside)), "store", now.wall, told)


def _stamps(loaded: Loaded) -> Mapping[Path, tuple[int, int] | None]:
    """When each file that holds a secret was last changed; None for one that cannot be looked at."""
    return {path: _stamp(path) for path in loaded.secret_files}


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino
