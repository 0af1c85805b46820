"""A log source over real files and a clock that only the test moves; keeps its checkpoint as the store would."""

import json

from agent.core.facts import LogFinding, TrainingSeen
from agent.core.ports import WantedLog
from agent.sources.logs.watcher import Config, LogSource
from tests.support.clock import ManualClock


class Watch:
    def __init__(self, *paths, start="beginning", **settings):
        self.config = Config(paths=tuple(str(path) for path in paths), start=start, **settings)
        self.clock = ManualClock()
        self.wanted, self.urgent, self.rung = [], [], []
        self.checkpoint, self.events, self.logs = {}, {}, {}
        self.begin()

    def begin(self):
        """Start with what was committed."""
        self.source = LogSource(
            self.config,
            wanted=lambda: [item if isinstance(item, WantedLog) else WantedLog(item) for item in self.wanted],
            urgent=lambda: self.urgent,
            ring=lambda: self.rung.append(1),
        )
        self.source.restore(json.loads(json.dumps(self.checkpoint)))

    def look(self, seconds=0.0, *, commit=True):
        """Let time pass, look once, and commit as the worker does."""
        reading = self.source.read(self.clock.advance(seconds))
        self.logs = {log.path: log for log in reading.logs}
        if commit:
            self.events |= {event.id: event for event in reading.events}
            self.checkpoint |= reading.checkpoint
            self.checkpoint = {key: value for key, value in self.checkpoint.items() if value is not None}
        return reading

    def settle(self):
        """Look until nothing changes any more: everything was read and has rested."""
        for seconds in (0.0, 0.6, 0.6, 2.0, 2.5, 10.0, 2.5):
            self.look(seconds)
        return self

    def kill(self):
        """End without a chance to say anything, and start again from what was committed."""
        self.source.close()
        self.begin()
        return self

    def close(self):
        self.source.close()

    @property
    def found(self):
        return [event.fact for event in self.events.values() if isinstance(event.fact, LogFinding)]

    @property
    def tried(self):
        """What each OOM found tried to allocate, in GiB: tells the errors of a test apart."""
        return [fact.facts["tried"] >> 30 for fact in self.found if fact.signature == "torch_oom"]

    @property
    def begun(self):
        return [event.fact for event in self.events.values() if isinstance(event.fact, TrainingSeen)]

    def sample(self, name):
        return next(sample.value for sample in self.look().samples if sample.name == name)


def oom(gib, end="\n"):
    return f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {gib}.00 GiB.{end}"


def append(path, text):
    with path.open("a", newline="") as file:
        file.write(text)
