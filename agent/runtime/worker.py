"""A worker: one named daemon thread that runs one step over and over, and the only place that catches everything.

A step that fails is logged with its traceback, counted on the board and tried again later and later; a worker ends
only when it is told to. It knows nothing of what its step does.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from agent.core.clock import Clock, Instant
from agent.runtime.bell import Bell
from agent.runtime.board import Board
from agent.runtime.health import Health, deadline_for
from agent.runtime.log import event

logger = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
"""Seconds to rest after a failed step; each further failure doubles it."""
LONGEST_PAUSE = 60.0
ERROR_LENGTH = 300
"""Characters of an error's text kept on the board."""


@dataclass(frozen=True, slots=True)
class Next:
    """When a step wants to run again: `after` seconds (None: not by time), when its bell rings, or when one of the
    descriptors `watch` becomes readable.
    """

    after: float | None = None
    watch: tuple[int, ...] = ()


T = TypeVar("T")
Step = Callable[[Instant], Next]


def _nothing(now: Instant) -> None:
    """What a worker does at its end if it was given nothing to do."""


class Worker:
    """Runs `step` until stopped, then `at_end`, both on its own thread.

    `interval` is the usual time between steps in seconds; a step that runs longer than `deadline` (by default three
    intervals, at least 10 s) shows as stuck on the board. The bell belongs to the worker, which closes it at its end.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        *,
        bell: Bell,
        clock: Clock,
        board: Board,
        interval: float,
        deadline: float | None = None,
        source: bool = False,
        at_end: Callable[[Instant], None] = _nothing,
    ) -> None:
        self.name = name
        self._step = step
        self._at_end = at_end
        self._bell = bell
        self._clock = clock
        self._board = board
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        board.enrol(Health(name, interval, deadline or deadline_for(interval), source))

    def start(self) -> None:
        """Start the thread, or start another after one has died."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end after the present step; returns at once."""
        self._stopping.set()
        self._bell.ring()

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for its end; returns whether it has ended."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.alive

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._survives(self._turn):
                self._rest()
        self._survives(self._end)
        self._bell.close()

    def _survives(self, act: Callable[[], None]) -> bool:
        """Act, and tell whether it went well; a failure is logged and kept on the board."""
        failure = attempt(act)
        if isinstance(failure, Exception):
            self._failed(failure)
        return failure is None

    def _turn(self) -> None:
        now = self._clock.now()
        self._board.began(self.name, now)
        following = self._step(now)
        self._board.ended(self.name, self._clock.now())
        if not self._stopping.is_set():
            self._bell.wait(following.after, following.watch)

    def _end(self) -> None:
        self._at_end(self._clock.now())

    def _failed(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
        self._board.ended(self.name, self._clock.now(), text)
        event(logger, logging.ERROR, "a worker failed", error=error, worker=self.name)

    def _rest(self) -> None:
        """Wait out the pause that this many failures in a row earn; rings cut short nothing but the end."""
        health = self._board.health(self.name)
        failures = health.errors if health else 1
        until = self._clock.now().monotonic + pause_after(failures)
        while not self._stopping.is_set() and (left := until - self._clock.now().monotonic) > 0:
            self._bell.wait(left)


def attempt(act: Callable[[], T]) -> T | Exception:
    """Act, and return what came of it: the result, or whatever was raised. Nothing else catches everything."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - the one place that must outlive any fault
        return error


def pause_after(failures: int) -> float:
    """Seconds to rest after this many failures in a row."""
    doublings = min(max(failures - 1, 0), 16)  # more would only overflow
    return min(FIRST_PAUSE * 2.0**doublings, LONGEST_PAUSE)
