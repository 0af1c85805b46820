"""A month in the life of a node: random alerts, bursts, outages, full disks, crashes and clock steps; what was told.

Everything random comes from one seed. What must hold afterwards is in `checks`.
"""

import random
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.message import compose
from agent.core.model import Alert, AlertType, NotificationKind, Severity, Silence, Status
from agent.core.policy.bucket import RateLimit
from agent.core.policy.identity import alert_id, fingerprint
from agent.core.policy.model import Grouping, Recipient, Rules
from agent.core.policy.windows import QuietHours, Window
from agent.core.ports import SendError, SendErrorKind
from agent.runtime.clock import VirtualClock
from agent.store import alerts, digests, ledger, outbox
from tests.support.disk import NodeOnADisk
from tests.support.timeline import NODE, Killed

MARCH = 1_773_010_800_000
"""2026-03-09, so that clocks are set within the month."""
LENGTH = 30 * DAY
EVENTS = 50
FULL_STEP = 10.0
"""Seconds between two looks while the disk is full: what falls due then is not to be read from it."""
CONDITIONS = (AlertType.DISK_WARNING, AlertType.GPU_DEGRADED, AlertType.GPU_ERROR)
EVENTS_ONCE = (AlertType.JOB_FAILED, AlertType.JOB_COMPLETED, AlertType.GPU_OOM)
RECIPIENTS = (
    Recipient("chat", "slack"),
    Recipient("awake", "slack", quiet_hours=False),
    Recipient("hook", "webhook", program=True),
    Recipient("pager", "pagerduty", stateful=True, min_severity=Severity.WARNING),
    Recipient("issues", "jira", stateful=True, quiet_hours=False),
)
SECRET = "xoxb-123456789012-abcdefghijkl"
"""A credential that a program writes wherever it can write anything."""
OWN_SECRET = "correct horse battery staple"
"""One that the agent was given: nothing in it looks like one."""
LEAK = f"token={SECRET} {OWN_SECRET}"


@dataclass(frozen=True)
class Told:
    """What one message that a channel took said of one alert, as it stood then."""

    at: int
    key: str
    row: str
    """The delivery that it told: its own, or that of a digest's member."""
    alert: Alert
    kind: NotificationKind
    over: bool
    severity: Severity
    """That of the whole message."""


class Month:
    """One run. Everything random comes from `chance`; `restarts` tells whether the agent is ever started anew."""

    def __init__(self, seed, folder, restarts=True, kills=True):
        self.chance = random.Random(seed)
        self.restarts, self.kills = restarts, kills
        self.clock = VirtualClock(MARCH + self.chance.randrange(10 * DAY))
        self.killed, self.refused = Counter(), set()
        """By the delivery that was being sent: how often the agent was killed; what a channel refused."""
        self.told = {recipient.name: [] for recipient in RECIPIENTS}
        self.stuck = []
        self.rules = self._rules()
        self.node = NodeOnADisk(folder, self.clock, *RECIPIENTS, rules=self.rules, secrets=(OWN_SECRET,))
        self.down_until = dict.fromkeys(self.node.channels, 0)
        self.space_at = None
        """When the disk has space again (monotonic), while it has none."""
        self.firing = {}
        self.node.compose = self._faulty
        for name, channel in self.node.channels.items():
            channel.send = self._unreliable(name, channel, channel.send)

    def _rules(self):
        chance = self.chance
        zone = ZoneInfo(chance.choice(["Europe/Berlin", "America/New_York", "Asia/Kolkata"]))
        windows = (Window("night", 22 * 60, 7 * 60, zone), Window("noon", 12 * 60, 13 * 60, zone, frozenset(range(5))))
        return Rules(
            quiet_hours=QuietHours(windows, chance.choice([None, Severity.CRITICAL]), suppress=chance.random() < 0.2),
            grouping=chance.choice([None, Grouping()]),
            rate_limit=chance.choice([None, RateLimit()]),
        )

    def _unreliable(self, name, channel, works):
        def send(message, key):
            if self.clock.now().wall < self.down_until[name]:
                raise SendError(SendErrorKind.RETRY, "down", reason="network")
            if self.chance.random() < 0.02:
                self.refused.add(key)
                raise SendError(SendErrorKind.REJECTED, "refused", reason="client_error", status=400)
            if self.chance.random() < 0.02:
                raise SendError(SendErrorKind.LIMITED, "slow", retry_after=60, reason="rate_limited", status=429)
            self.told[name] += self._tells(message, key)
            try:
                return works(message, key)
            except Killed:
                self.killed[key] += 1
                raise

        return send

    def _tells(self, message, key):
        """What a message says; a digest says how every one of its members stands, whether it lists it or counts it."""

        def body(conn):
            rows = digests.members(conn, key) if message.kind is NotificationKind.DIGEST else ()
            return [(row.id, alerts.get(conn, row.alert_id)) for row in rows] or [(key, message.alert)]

        for row, alert in self.node.database.read(body):
            over = alert.status is Status.RESOLVED or message.kind is NotificationKind.RESOLVED
            yield Told(self.clock.now().wall, key, row, alert, message.kind, over, message.severity)

    def _faulty(self, alert, kind, **given):
        """The renderer, which fails now and then."""
        if self.chance.random() < 0.02:
            raise ValueError(f"a fault in rendering {LEAK}")
        return compose(alert, kind, **given)

    def run(self):
        at = [self.clock.now().monotonic + self.chance.random() * LENGTH / SECOND for _ in range(EVENTS)]
        for moment in sorted(at):
            self.pass_until(moment)
            self.happen()
        self.down_until = dict.fromkeys(self.down_until, 0)
        for kind, key in list(self.firing):
            self.resolve(kind, key)
        self.pass_until(self.clock.now().monotonic + 5 * DAY / SECOND)

    def pass_until(self, moment):
        """Let time pass up to `moment` (monotonic), stopping wherever something falls due."""
        if self.space_at is not None and self.space_at <= moment:
            until, self.space_at = self.space_at, None
            self.pass_until(until)
            self.node.empty()
        self.settle()
        while (left := moment - self.clock.now().monotonic) > 0:
            self.clock.advance(min(left, max(1.0, self._due_in())))
            self.settle()

    def _due_in(self):
        """Seconds until something falls due by itself; a channel that could be told something now is stuck."""
        if self.node.full:
            return FULL_STEP
        now = self.clock.now().wall

        def body(conn):
            states = ledger.channel_states(conn)
            for name in self.node.channels:
                due = outbox.next_due(conn, name)
                if due is not None:
                    paused = states[name].paused_until if name in states else None
                    yield name, max(due, paused or 0)

        dues = self.node.database.read(lambda conn: dict(body(conn)))
        self.stuck += (f"{name} was left with what was due at {due}" for name, due in dues.items() if due <= now)
        if self.node.evaluator.in_the_balance:
            return 1.0
        return (min([self.node.evaluator.due_at, *dues.values()]) - now) / SECOND

    def settle(self):
        try:
            self.node.settle()
        except Killed:
            self.node.restart()
            self.settle()

    def happen(self):
        chance = self.chance
        what = ("fire", "resolve", "once", "outage", "cut", "set_clock", "burst", "restart", "kill", "silence", "fill")
        weights = (30, 20, 20, 6, 3, 3, 4, 6, 4, 4, 3)
        if self.node.full:  # a crash may then lose something, and nobody can be heard
            what, weights = what[:7], weights[:7]
        getattr(self, chance.choices(what, weights)[0])()

    def fire(self):
        key = (self.chance.choice(CONDITIONS), str(self.chance.randrange(4)))
        severity = self.chance.choice(list(Severity))
        self.firing[key] = severity
        self.node.emit(
            key[0], Status.FIRING, severity, labels=labels(key[1]), title=f"{key[0]}: {LEAK}", message=LEAK,
            fields={"server": f"https://bot:{SECRET}@example.com/?q={SECRET}"},
        )  # fmt: skip

    def resolve(self, kind=None, key=None):
        if kind is None and not self.firing:
            return
        kind, key = (kind, key) if kind else self.chance.choice(list(self.firing))
        self.firing.pop((kind, key), None)
        self.node.emit(kind, Status.RESOLVED, labels=labels(key))

    def once(self):
        kind, job = self.chance.choice(EVENTS_ONCE), {"id": f"j{self.chance.randrange(1_000)}", "error": LEAK}
        if kind is AlertType.GPU_OOM:
            now = self.clock.now().wall
            self.node.evaluator.take(found_in_a_log(job, now), now)
        else:
            self.node.emit(kind, job=job)

    def burst(self):
        for _ in range(self.chance.randrange(5, 40)):
            self.chance.choice((self.fire, self.once, self.resolve))()

    def outage(self):
        self.cut(self.chance.choice(list(self.down_until)))

    def cut(self, *names):
        """Nobody answers for a while on these channels, or on any."""
        until = self.clock.now().wall + self.chance.choice((10 * MINUTE, HOUR, 8 * HOUR, 30 * HOUR))
        self.down_until |= dict.fromkeys(names or self.down_until, until)

    def restart(self):
        if self.restarts:
            self.node.restart()

    def kill(self):
        victim = self.node.channels[self.chance.choice(list(self.node.channels))]
        victim.die_after_next = self.kills

    def fill(self):
        if not any(channel.die_after_next for channel in self.node.channels.values()):
            self.node.fill()
            self.space_at = self.clock.now().monotonic + self.chance.choice((60, 600))

    def set_clock(self):
        self.clock.jump(self.chance.choice((-1, 1)) * self.chance.choice((90, 3_600, 86_400, 3 * 86_400)))

    def silence(self):
        now = self.clock.now().wall
        self.node.silence(
            Silence(f"s{now}", now, now + self.chance.randrange(HOUR, 8 * HOUR), "me", "", match={"key": "1"})
        )

    @cached_property
    def deliveries(self):
        """All of them, once the month is over: to read them takes longer than any check."""
        return self.node.deliveries()

    def born(self):
        """All alerts in the order in which they began, whatever the clock said."""
        return [
            row[0]
            for row in self.node.database.read(lambda c: c.execute("SELECT id FROM alert ORDER BY rowid").fetchall())
        ]

    def dead_at(self):
        """When each delivery was given up, by its id."""
        return self.node.database.read(lambda conn: dict(conn.execute("SELECT id, dead_at FROM delivery")))


def labels(key):
    """What tells conditions apart."""
    return {"key": key, "note": LEAK}


def found_in_a_log(job, now):
    """An alert as the agent makes it of what a program wrote before it died."""
    mark = fingerprint(AlertType.GPU_OOM, {"job_id": job["id"]})
    return Alert(
        id=alert_id(now, mark, job["id"]), type=AlertType.GPU_OOM, fingerprint=mark, status=Status.EVENT,
        severity=Severity.CRITICAL, title="GPU out of memory", message=LEAK, starts_at=now,
        labels={"node": NODE, "job_name": LEAK}, job=job | {"command": LEAK}, gpu={"index": 0, "name": LEAK},
        disk={"mountpoint": LEAK}, evidence=("RuntimeError:", LEAK), advice=LEAK, job_id=job["id"],
    )  # fmt: skip
