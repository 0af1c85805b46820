"""Signals of the process: each only sets a flag and rings the bell on which the main thread waits."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Self

from agent.runtime.bell import Bell

STOP = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP

Handler = Callable[[int, FrameType | None], object] | int | None
"""What `signal.signal` takes and gives back."""


class Signals:
    """What the process was asked to do, while installed (`with Signals(bell) as signals:`); main thread only."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._reload = False
        self._before: dict[signal.Signals, Handler] = {}
        self.stop = False
        """Whether the process was asked to end."""

    def take_reload(self) -> bool:
        """Whether a reload was asked for since the last call; many requests count as one."""
        asked, self._reload = self._reload, False
        return asked

    def __enter__(self) -> Self:
        for number in (*STOP, RELOAD):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        if number == RELOAD:
            self._reload = True
        else:
            self.stop = True
        self._bell.ring()
