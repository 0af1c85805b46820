"""A whole node under a hand-driven clock, with channels that remember and fail on demand.

The engine is `agent.runtime.rehearsal`, which `simulate` runs on too; here is what makes a test read as a timeline.
"""

from dataclasses import dataclass, field

from agent.core.digest import compose_digest
from agent.core.facts import Event, HandedIn, ResolveAsked, event_id
from agent.core.message import compose
from agent.core.model import TYPES, Sample, Status
from agent.core.policy.model import Recipient, Rules
from agent.core.ports import Reading, Receipt
from agent.core.presentable import event_without_secrets
from agent.core.record import WHY
from agent.core.redact import Redactor
from agent.runtime.evaluator_settings import Settings
from agent.runtime.outlet import Outlet
from agent.runtime.rehearsal import Rehearsal
from agent.runtime.source_worker import SourceStep
from agent.store import alerts, decisions, deliveries, silences

NODE = "node-1"


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
    receipt: Receipt = field(default_factory=Receipt)

    def send(self, message, key):
        error = self.fail.pop(0) if self.fail else None
        if error is not None:
            raise error
        self.sent.append(Sent(self.clock.now().wall, key, message))
        if self.die_after_next:
            self.die_after_next = False
            raise Killed
        return self.receipt

    def preview(self, message, key):
        return f"{key} {message.headline}"

    def close(self):
        pass


class Node(Rehearsal):
    """One agent. `recipients` are its channels; `restart` is what follows a kill -9."""

    def __init__(self, path, clock, *recipients, rules=None, disk=None, channels=None, reporting=None, secrets=()):
        self.path = path
        self.clock = clock
        self.recipients = recipients or (Recipient("ops", "slack"),)
        self.channels = {item.name: Memory(clock) for item in self.recipients} | (channels or {})
        self.redactor = Redactor(secrets)
        self.settings = Settings(NODE, self.recipients, rules or Rules(), disk, clean=self.redactor.clean)
        self.compose = compose
        self._told = 0
        self._makers = []
        outlets = [
            Outlet(item.name, item.type, self.channels[item.name], 15.0, not item.stateful, pictures=True)
            for item in self.recipients
        ]
        wanted = None if reporting is None else lambda: reporting
        super().__init__(path, clock, lambda: self.settings, [(outlet, self._message) for outlet in outlets], wanted)

    def restart(self):
        """Begin again on the same state directory, without the least goodbye."""
        super().restart()
        for make in self._makers:
            self._feed(make)

    def follow(self, make):
        """Let a real source feed this node; `make(board, ring)` builds it, again after each restart."""
        self._makers.append(make)
        self._feed(make)

    def tell(self, fact, *parts):
        """Store a fact, as a source would."""
        self._told += 1
        event = Event(event_id("timeline", *(parts or (self._told,))), "test", self.clock.now().wall, fact)
        self.report(event_without_secrets(event, self.redactor.clean))

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

    def _feed(self, make):
        source = make(self.board, self.ring)
        step = SourceStep(
            source, self._connect, self.board, self.clock, on_events=self.ring, observe=lambda _: None,
            clean=self.redactor.clean,
        )  # fmt: skip

        def let_go():
            source.close()
            step._uncommitted.close()

        self.attach(step, let_go)

    def _message(self, news, now):
        given = {"now": now, "reason": WHY[news.row.kind], "node": NODE, "redactor": self.redactor,
                 "uncertain": news.row.uncertain, "plain": news.row.plain}  # fmt: skip
        if news.members:
            return compose_digest(news.digest, **given)
        given |= {"references": news.references, "chart": news.chart, "recurrence": news.recurrence}
        return self.compose(news.alert, news.row.kind, **given)
