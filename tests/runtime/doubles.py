"""What runtime tests put in place of the outside: a bell that moves the clock, a source that reads from a list."""

from agent.core.facts import Event, FindingKind, LogFinding, Role, event_id
from agent.core.model import Severity
from agent.core.ports import LogReading, Reading
from tests.support.clock import START

PATIENCE = 20.0
"""Seconds before a wait for a thread fails the test."""


class LeapingBell:
    """Never blocks: a wait moves the clock to its end, and is remembered."""

    def __init__(self, clock):
        self.clock = clock
        self.waits = []
        self.rings = 0

    def ring(self):
        self.rings += 1

    def wait(self, timeout_s, also=()):
        self.waits.append((timeout_s, tuple(also)))
        self.clock.advance(timeout_s or 0.0)

    def close(self):
        pass


class ListedSource:
    """Gives the readings it is told to give, the last of them for ever; an exception among them is raised."""

    name = "listed"
    interval = 10.0

    def __init__(self, *readings, clock=None, takes=0.0):
        self.readings = list(readings) or [Reading()]
        self.clock, self.takes = clock, takes
        self.restored = None
        self.looks = []
        self.closed = False

    def restore(self, checkpoint):
        self.restored = dict(checkpoint)

    def read(self, now):
        self.looks.append(now)
        if self.clock:
            self.clock.advance(self.takes)
        reading = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        if isinstance(reading, Exception):
            raise reading
        return reading

    def close(self):
        self.closed = True


def event(name="a", at=START):
    finding = LogFinding(
        path="/logs/run.log", file="1:2", offset=0, signature="cuda_oom", kind=FindingKind.GPU_OOM, role=Role.ROOT,
        severity=Severity.CRITICAL, text="CUDA out of memory",
    )
    return Event(event_id("test", name), "listed", at, finding)


def log_reading(path="/logs/run.log", *, offset=100, size=100, file="1:2", progress=None, progress_at=None):
    return LogReading(path, file, offset, size, progress, progress_at)
