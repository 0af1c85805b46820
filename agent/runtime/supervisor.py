"""Starts the parts of the agent, watches over them, and stops them in order. It has no thread of its own.

The main thread calls `tick` about once a second. A part is anything with a thread: a worker, the web server.
"""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from agent.core.clock import Clock, Instant
from agent.runtime.board import Board
from agent.runtime.log import event
from agent.runtime.worker import pause_after

logger = logging.getLogger(__name__)

SETTLED = 60.0
"""Seconds that a restarted part must live for its earlier deaths to be forgotten."""


class Part(Protocol):
    """Something with a thread."""

    name: str

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        ...

    def start(self) -> None:
        """Start the thread, or start another after one has died."""
        ...

    def stop(self) -> None:
        """Ask it to end; returns at once."""
        ...

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for its end; returns whether it has ended."""
        ...


class Stage(IntEnum):
    """The order of stopping: whoever brings work ends before whoever does it. Starting is the other way round."""

    SOURCES = 1
    EVALUATOR = 2
    NOTIFIERS = 3
    WEB = 4


GRACE = {Stage.SOURCES: 3.0, Stage.EVALUATOR: 5.0, Stage.NOTIFIERS: 10.0, Stage.WEB: 2.0}
"""Seconds that each stage may take to stop; what is being sent has 10 s to be answered."""


@dataclass(slots=True)
class _Ward:
    """One part under supervision; times are monotonic seconds."""

    stage: Stage
    part: Part
    deaths: int = 0
    restart_at: float | None = None
    restarted_at: float | None = None
    stuck: bool = False


class Supervisor:
    """Owns the parts. `add` before `start`, or later to start a part at once."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._wards: dict[str, _Ward] = {}
        self._started = False

    @property
    def stuck(self) -> frozenset[str]:
        """Names of the parts whose present step has outrun its deadline, as of the last tick."""
        return frozenset(name for name, ward in self._wards.items() if ward.stuck)

    def add(self, stage: Stage, part: Part) -> None:
        """Take charge of a part, and start it if the others have been started."""
        if part.name in self._wards:
            raise ValueError(f"there is a part named {part.name!r} already")
        self._wards[part.name] = _Ward(stage, part)
        if self._started:
            part.start()

    def remove(self, name: str) -> bool:
        """Stop one part and let go of it; returns whether it has ended. A name not known has ended."""
        ward = self._wards.pop(name, None)
        if ward is None:
            return True
        ward.part.stop()
        ended = self._await(ward, self._clock.now().monotonic + GRACE[ward.stage])
        self._board.dismiss(name)
        return ended

    def start(self) -> None:
        """Start everything, the last to stop first."""
        self._started = True
        for ward in sorted(self._wards.values(), key=lambda ward: -ward.stage):
            ward.part.start()

    def tick(self, now: Instant) -> None:
        """Look after every part: mark what is stuck, restart what has died. Never waits."""
        for ward in self._wards.values():
            self._mark(ward, now)
            self._revive(ward, now)

    def stop(self) -> tuple[str, ...]:
        """Stop everything, stage by stage, each for its grace at most; returns the names of what did not stop.

        A failure to stop one part keeps no other from being stopped; it is raised at the end.
        """
        self._started = False
        left: list[str] = []
        with ExitStack() as stack:
            for stage in reversed(Stage):  # the stack unwinds from its end
                stack.callback(self._stop_stage, stage, left)
        return tuple(left)

    def _stop_stage(self, stage: Stage, left: list[str]) -> None:
        wards = [ward for ward in self._wards.values() if ward.stage is stage]
        until = self._clock.now().monotonic + GRACE[stage]
        with ExitStack() as stack:
            for ward in wards:
                stack.callback(self._finish, ward, until, left)
            for ward in wards:
                stack.callback(ward.part.stop)

    def _finish(self, ward: _Ward, until: float, left: list[str]) -> None:
        if not self._await(ward, until):
            left.append(ward.part.name)
            event(logger, logging.WARNING, "a part did not stop in time", part=ward.part.name)

    def _await(self, ward: _Ward, until: float) -> bool:
        """Wait for a part's end; not for one that is known to be stuck, which may take for ever."""
        now = self._clock.now()
        return ward.part.join(0.0 if self._is_stuck(ward, now) else max(until - now.monotonic, 0.0))

    def _is_stuck(self, ward: _Ward, now: Instant) -> bool:
        health = self._board.health(ward.part.name)
        return health is not None and health.stuck(now)

    def _mark(self, ward: _Ward, now: Instant) -> None:
        stuck = self._is_stuck(ward, now)
        if stuck is ward.stuck:
            return
        ward.stuck = stuck
        if stuck:
            event(logger, logging.ERROR, "a part is stuck", part=ward.part.name)
        else:
            event(logger, logging.INFO, "a stuck part goes on", part=ward.part.name)

    def _revive(self, ward: _Ward, now: Instant) -> None:
        """Start a dead part again, later each time it dies: a task for ever that has ended is an error."""
        if not self._started or ward.part.alive:
            self._forget_deaths(ward, now)
        elif ward.restart_at is None:
            ward.deaths += 1
            ward.restart_at = now.monotonic + pause_after(ward.deaths)
            event(logger, logging.ERROR, "a part has died", part=ward.part.name, deaths=ward.deaths)
        elif now.monotonic >= ward.restart_at:
            ward.restart_at, ward.restarted_at = None, now.monotonic
            ward.part.start()

    def _forget_deaths(self, ward: _Ward, now: Instant) -> None:
        if ward.restarted_at is not None and now.monotonic - ward.restarted_at >= SETTLED:
            ward.deaths, ward.restarted_at = 0, None
