"""The GPU source as the agent runs it, in a real child, with the real binding, on a fake driver."""

import pytest

from agent.gpus import Gpus
from agent.runtime.clock import SystemClock
from agent.runtime.gpu_board import GpuBoard
from agent.sources.gpu.settings import Config
from tests.support.clock import ManualClock


class Watch:
    """One agent's look at a node's GPUs. Time between looks is the test's; how long one look takes is not."""

    def __init__(self, driver, within, bus):
        self.driver = driver
        self.clock = ManualClock()
        self.board = GpuBoard()
        self.checkpoint = {}
        self._make = lambda: Gpus(Config(), self.board, SystemClock(), within=within, bus=bus)
        self.source = self._make()
        self.source.restore({})

    def look(self, after=10.0):
        reading = self.source.read(self.clock.advance(after))
        changed = {**self.checkpoint, **reading.checkpoint}
        self.checkpoint = {key: value for key, value in changed.items() if value is not None}
        return reading

    def gpus(self, after=10.0):
        return self.look(after).gpus

    def restart(self):
        """Begin again where the last commit stood."""
        self.source.close()
        self.source = self._make()
        self.source.restore(self.checkpoint)

    @property
    def child(self):
        return self.source._isolated._child


@pytest.fixture
def watches(monkeypatch):
    made = []

    def make(driver, *, within=10.0, bus=None):
        for name, value in driver.environ.items():
            monkeypatch.setenv(name, value)
        made.append(Watch(driver, within, None if bus is None else str(bus)))
        return made[-1]

    yield make
    for watch in made:
        watch.source.close()
