"""A whole node under a hand-driven clock: the real store, evaluator and notifiers, and channels that only remember.

Nothing runs by itself: `run` turns every part in order, second by second, so that a test reads as a timeline.
"""

from dataclasses import dataclass, field

from agent.core.facts import Event, HandedIn, ResolveAsked, event_id
from agent.core.message import compose
from agent.core.model import TYPES, Sample, Status
from agent.core.policy.model import Recipient, Rules
from agent.core.ports import Reading, Receipt
from agent.core.record import WHY
from agent.core.redact import Redactor
from agent.runtime.board import Board
from agent.runtime.conditions import Conditions
from agent.runtime.direct import DirectQueue
from agent.runtime.dispatch import Dispatch
from agent.runtime.evaluator import Evaluator, Settings
from agent.runtime.metrics import Metrics
from agent.runtime.metrics_scrape import Snapshot
from agent.runtime.notifier import Notifier, Outlet
from agent.runtime.source_worker import SourceStep
from agent.store import alerts, decisions, deliveries, events, outbox, silences
from agent.store.directory import StateDirectory

NODE = "node-1"
ROUNDS = 5_000
"""Turns of the parts within one instant, enough for everything to settle."""


class Killed(BaseException):
    """The process is gone at this very instant."""


@dataclass
class Sent:
    """One message that a channel took, or began to take."""

    at: int
    key: str
    message: object

    @property
    def what(self):
        return (str(self.message.alert.type), str(self.message.kind))


@dataclass
class Memory:
    """A channel that remembers; `fail` is raised from, one entry a send, before anything is remembered."""

    clock: object
    sent: list = field(default_factory=list)
    fail: list = field(default_factory=list)
    die_after_next: bool = False

    def send(self, message, key):
        error = self.fail.pop(0) if self.fail else None
        if error is not None:
            raise error
        self.sent.append(Sent(self.clock.now().wall, key, message))
        if self.die_after_next:
            self.die_after_next = False
            raise Killed
        return Receipt()

    def preview(self, message, key):
        return f"{key} {message.headline}"

    def close(self):
        pass


class Node:
    """One agent. `channels` gives the recipients; `restart` is what follows a kill -9."""

    def __init__(self, path, clock, *recipients, rules=None, disk=None):
        self.path = path
        self.clock = clock
        self.recipients = recipients or (Recipient("ops", "slack"),)
        self.channels = {item.name: Memory(clock) for item in self.recipients}
        self.settings = Settings(NODE, self.recipients, rules or Rules(), disk)
        self.compose = compose
        self._directory = None
        self._told = 0
        self._makers = []
        self._start()

    def restart(self):
        """Begin again on the same state directory, without the least goodbye."""
        self._close()
        self._start()

    def close(self):
        self._close()
        self._directory.close()

    def follow(self, make):
        """Let a real source feed this node; `make(board, ring)` builds it, again after each restart."""
        self._makers.append(make)
        self._steps.append(self._source_step(make))

    def tell(self, fact, *parts):
        """Store a fact, as a source would."""
        self._told += 1
        event = Event(event_id("timeline", *(parts or (self._told,))), "test", self.clock.now().wall, fact)
        self.database.write(lambda conn: events.append(conn, [event]))

    def emit(self, alert_type, status=None, severity=None, **values):
        traits = TYPES[alert_type]
        status = status or (Status.FIRING if traits.condition else Status.EVENT)
        self.tell(HandedIn(alert_type, status, severity or traits.severity, **values))

    def resolve(self, alert_id):
        self.tell(ResolveAsked(alert_id, "me"))

    def silence(self, silence):
        self.database.write(lambda conn: silences.add(conn, silence))

    def disk(self, used_percent, mountpoint="/data", size=1000 << 30):
        """Show a disk of this usage on the board."""
        free = size * (1 - used_percent / 100)
        labels = {"mountpoint": mountpoint, "device": "/dev/sda1", "fstype": "ext4"}
        values = {"size_bytes": size, "free_bytes": free, "avail_bytes": free}
        samples = tuple(Sample(f"filesystem_{name}", value, labels) for name, value in values.items())
        self.board.publish("disk", Reading(samples=samples), self.clock.now())

    def run(self, seconds=0, step=1.0):
        """Let everything settle now, and again after each step until `seconds` have passed."""
        self.settle()
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            self.settle()

    def settle(self):
        for _ in range(ROUNDS):
            self._rung = False
            self._look()
            self.evaluator.step(self.clock.now())
            if not self._send() and not self._rung:
                return
        raise AssertionError("the parts did not settle")

    def sent(self, channel="ops"):
        return [item.what for item in self.channels[channel].sent]

    def alerts(self):
        return self.database.read(lambda conn: conn.execute("SELECT id FROM alert ORDER BY starts_at").fetchall())

    def alert(self, alert_id):
        return self.database.read(lambda conn: alerts.get(conn, alert_id))

    def deliveries(self):
        ids = [row[0] for row in self.alerts()]
        return self.database.read(lambda conn: deliveries.of_alerts(conn, ids))

    def decisions(self, alert_id):
        return self.database.read(lambda conn: decisions.of_alert(conn, alert_id))

    def _look(self):
        for step in self._steps:
            while step(self.clock.now()).after == 0:
                pass

    def _ring(self):
        self._rung = True

    def _source_step(self, make):
        source = make(self.board, self._ring)
        step = SourceStep(
            source, self._directory.connect, self.board, self.clock, on_events=self._ring, observe=lambda _: None
        )
        self._sources.append((source, step))
        return step

    def _send(self):
        """Turn every notifier once; whether any of them wants another turn at once."""
        return any(notifier.step(self.clock.now()).after == 0 for notifier in self.notifiers)

    def _start(self):
        if self._directory is None:
            self._directory = StateDirectory.take(self.path)
        self._directory.open(self.clock.now().wall)
        self.board = Board()
        self.metrics = Metrics("test", self.board, Snapshot, lambda: 0)
        self.metrics.init_channels({item.name: item.type for item in self.recipients})
        self.database = self._directory.connect()
        self.database.write(outbox.recover)
        self.direct = {item.name: DirectQueue() for item in self.recipients}
        dispatch = Dispatch(
            self.database, self.board, self.metrics, announce=lambda _: None,
            send_directly=lambda row: self.direct[row.channel].put(row),
        )  # fmt: skip
        conditions = Conditions(self.database, self.board, self._directory.reserve)
        self.evaluator = Evaluator(
            lambda: self.settings, self.database, self.board, self.metrics, conditions, dispatch, self.clock.now(),
            wished=self._ring,
        )  # fmt: skip
        self._sources = []
        self._steps = [self._source_step(make) for make in self._makers]
        self.notifiers = [self._notifier(item) for item in self.recipients]

    def _notifier(self, recipient):
        outlet = Outlet(recipient.name, recipient.type, self.channels[recipient.name], 15.0)
        return Notifier(
            outlet, f"run-{self._told}", self._directory.connect, self.clock, self.metrics, self._message,
            settled=lambda: None, direct=self.direct[recipient.name],
        )  # fmt: skip

    def _message(self, alert, row, told, now):
        return self.compose(
            alert, row.kind, now=now, reason=WHY[row.kind], node=NODE, redactor=Redactor(), uncertain=row.uncertain,
            plain=row.plain, provider_ref=told,
        )  # fmt: skip

    def _close(self):
        """Let go of what the end of a process would close, and commit nothing."""
        for source, step in self._sources:
            source.close()
            step._uncommitted.close()
        for notifier in self.notifiers:
            notifier.close()
        self.database.close()
