"""A whole node whose clock moves only when told: the real store, evaluator and notifiers, turned by hand.

`simulate` and the acceptance tests run on it. Nothing runs by itself and nothing sleeps: every part gets its turns
within an instant until none has more to do, and then time may pass.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from agent.core.clock import MINUTE, SECOND
from agent.core.facts import Event
from agent.runtime.board import Board
from agent.runtime.clock import VirtualClock
from agent.runtime.conditions import Conditions
from agent.runtime.direct import DirectWay
from agent.runtime.dispatch import Dispatch
from agent.runtime.evaluator import TICK, Evaluator
from agent.runtime.evaluator_settings import Settings
from agent.runtime.metrics import Metrics
from agent.runtime.metrics_scrape import Snapshot
from agent.runtime.notifier import Notifier
from agent.runtime.outlet import Compose, Outlet
from agent.runtime.reporter import Reporter, Reporting
from agent.runtime.worker import Step
from agent.store import events, outbox
from agent.store.database import Database
from agent.store.directory import StateDirectory

TURNS = 5_000
"""Turns of the parts within one instant, enough for everything to settle."""


class Rehearsal:
    """One agent on the state directory `path`, at the time of `clock`."""

    def __init__(
        self, path: Path, clock: VirtualClock, settings: Callable[[], Settings],
        ways_out: Sequence[tuple[Outlet, Compose]], reporting: Callable[[], Reporting] | None = None,
    ) -> None:  # fmt: skip
        """`ways_out`: the channels, which outlive a restart, with what puts alerts into words for them.

        `reporting`: which reports are wanted, if any.
        """
        self._reporting = reporting
        self._clock = clock
        self._settings = settings
        self._ways_out = ways_out
        self._starts = 0
        self._rung = False
        self._waits: list[float] = []
        """Seconds after which each notifier wants its next turn."""
        self._directory = StateDirectory.take(path)
        self._start()

    def restart(self) -> None:
        """Begin again on the same state directory, without the least goodbye: what follows a kill -9."""
        self._held.close()  # as the end of a process would, committing nothing
        self._start()

    def close(self) -> None:
        """Let go of everything; what waits stays in the store."""
        self._held.close()
        self._directory.close()

    def attach(self, look: Step, let_go: Callable[[], None]) -> None:
        """Turn a source's step along with the rest until the next restart, when `let_go` is called."""
        self._looks.append(look)
        self._held.callback(let_go)

    def report(self, event: Event) -> None:
        """Store a fact, as a source would."""
        self.database.write(lambda conn: events.append(conn, [event]))

    def ring(self) -> None:
        """Give every part another turn at this instant."""
        self._rung = True

    def settle(self) -> None:
        """Give every part its turns at this instant, until none of them has more to do."""
        for _ in range(TURNS):
            self._rung = False
            self._look()
            self.evaluator.step(self._clock.now())
            if not self._send() and not self._rung:
                return
        raise AssertionError("the parts did not settle")

    def run(self, seconds: float = 0, step: float = TICK) -> None:
        """Let everything settle now, and again after each `step` until `seconds` have passed."""
        self.settle()
        while seconds > 0:
            self._clock.advance(min(step, seconds))
            seconds -= step
            self.settle()

    def run_until(self, until: int) -> None:
        """The same up to `until` (UTC milliseconds), in steps as long as nothing can happen within one.

        While a job runs or a condition is about to turn, that is a second, as in the daemon; otherwise the next thing
        that is due, but never beyond a full minute, on which quiet hours and reports begin and end.
        """
        self.settle()
        while (now := self._clock.now().wall) < until:
            self._clock.advance((min(until, self._next(now)) - now) / SECOND)
            self.settle()

    def _next(self, now: int) -> int:
        """When something may happen next, at least a tick from `now` and at most at the next full minute."""
        soonest = now + int(TICK * SECOND)
        if self.evaluator.in_the_balance:
            return soonest
        due = [now - now % MINUTE + MINUTE, self.evaluator.due_at, *(now + round(s * SECOND) for s in self._waits)]
        return max(min(due), soonest)

    def _look(self) -> None:
        for step in self._looks:
            while step(self._clock.now()).after == 0:
                pass

    def _send(self) -> bool:
        """Let every notifier send until it has no more to do; whether any of them did anything."""
        turns = [self._drain(notifier) for notifier in self.notifiers]
        self._waits = [wait for wait, _ in turns]
        return any(busy for _, busy in turns)

    def _drain(self, notifier: Notifier) -> tuple[float, bool]:
        """Turn a notifier until it wants to wait: for how many seconds, and whether it did anything before."""
        for turn in range(TURNS):
            wait = notifier.step(self._clock.now()).after
            if wait:
                return wait, turn > 0
        raise AssertionError("a notifier did not settle")

    def _start(self) -> None:
        self._starts += 1
        self._held = ExitStack()
        self._directory.open(self._clock.now().wall)
        self.board = Board()
        self.metrics = Metrics("rehearsal", self.board, Snapshot)
        self.metrics.init_channels({outlet.name: outlet.type for outlet, _ in self._ways_out})
        self.database = self._held.enter_context(closing(self._connect()))
        self.database.write(outbox.recover)
        self._direct = DirectWay()
        dispatch = Dispatch(
            self.database, self.board, self.metrics, announce=lambda _: None, direct=self._direct
        )
        conditions = Conditions(self.database, self.board, self._directory.reserve)
        self.evaluator = Evaluator(
            self._settings, self.database, self.board, self.metrics, conditions, dispatch, self._clock.now(),
            wished=self.ring,
        )  # fmt: skip
        self.notifiers = [self._notifier(*way) for way in self._ways_out]
        self._looks: list[Step] = []
        if self._reporting is not None:
            # On the evaluator's own connection: to it a sign of life is then no commit of somebody else's, after which
            # it would look at everything again, minute by minute.
            reporter = Reporter(
                self._reporting, lambda: self.database, self.board, self._clock.now().wall, made=self.ring
            )
            self._looks.append(reporter.step)

    def _connect(self) -> Database:
        return self._directory.connect(durable=False)

    def _notifier(self, outlet: Outlet, compose: Compose) -> Notifier:
        notifier = Notifier(
            outlet, f"start-{self._starts}", self._connect, self._clock, self.metrics, compose,
            settled=lambda: None, direct=self._direct,
        )  # fmt: skip
        self._held.callback(notifier.close)
        return notifier
