"""A month of random events, crashes, outages and clock steps, and what must hold whatever happens.

`MONTHS=1000 pytest tests/acceptance/test_month.py` tries more of them, `MONTH=17` that one alone; a failure names it.
"""

import os
import random
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.model import AlertType, DeliveryState, Severity, Silence, Status
from agent.core.policy.bucket import RateLimit
from agent.core.policy.model import Grouping, Recipient, Rules
from agent.core.policy.windows import QuietHours, Window, quiet
from agent.core.ports import SendError, SendErrorKind
from agent.runtime.clock import VirtualClock
from agent.store import database, ledger, outbox
from tests.support.timeline import Killed, Node

SEEDS = [int(os.environ["MONTH"])] if "MONTH" in os.environ else range(int(os.environ.get("MONTHS", "2")))
MARCH = 1_773_010_800_000
"""2026-03-09, so that clocks are set within the month."""
LENGTH = 30 * DAY
EVENTS = 50
CONDITIONS = (AlertType.DISK_WARNING, AlertType.GPU_DEGRADED, AlertType.GPU_ERROR)
EVENTS_ONCE = (AlertType.JOB_FAILED, AlertType.JOB_COMPLETED, AlertType.GPU_OOM)
RECIPIENTS = (
    Recipient("chat", "slack"),
    Recipient("awake", "slack", quiet_hours=False),
    Recipient("hook", "webhook", program=True),
    Recipient("pager", "pagerduty", stateful=True, min_severity=Severity.WARNING),
    Recipient("issues", "jira", stateful=True, quiet_hours=False),
)
GOOD_ENDS = {
    "cooldown", "not_taken", "below_min_severity", "not_matched", "own_trouble", "resolved_before_told",
    "only_ends_alerts", "quiet_hours", "nothing_left", "rejected", "too_old", "silenced_by", "superseded_by",
    "inhibited_by", "grouped_into", "overflow_into", "digested_into", "history_only", None,
}  # fmt: skip


class Month:
    """One run. Everything random comes from `chance`."""

    def __init__(self, seed, folder):
        self.chance = random.Random(seed)
        self.clock = VirtualClock(MARCH + self.chance.randrange(10 * DAY))
        self.set_at = []
        """When the clock was set: what is due then may be due twice, or not at all."""
        self.kills = 0
        self.rules = self._rules()
        self.node = Node(folder, self.clock, *RECIPIENTS, rules=self.rules)
        self.down_until = dict.fromkeys(self.node.channels, 0)
        self.firing = {}
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
                raise SendError(SendErrorKind.REJECTED, "refused", reason="client_error", status=400)
            if self.chance.random() < 0.02:
                raise SendError(SendErrorKind.LIMITED, "slow", retry_after=60, reason="rate_limited", status=429)
            return works(message, key)

        return send

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
        self.settle()
        while (left := moment - self.clock.now().monotonic) > 0:
            self.clock.advance(min(left, max(1.0, self._due_in())))
            self.settle()

    def _due_in(self):
        """Seconds until something falls due by itself."""
        now = self.clock.now().wall

        def body(conn):
            states = ledger.channel_states(conn)
            for name in self.node.channels:
                due = outbox.next_due(conn, name)
                if due is not None:
                    paused = states[name].paused_until if name in states else None
                    yield max(due, paused or 0)

        dues = [self.node.evaluator.due_at, *self.node.database.read(lambda conn: list(body(conn)))]
        if self.node.evaluator.in_the_balance:
            return 1.0
        return min((due - now) / SECOND for due in dues)

    def settle(self):
        try:
            self.node.settle()
        except Killed:
            self.kills += 1
            self.node.restart()
            self.settle()

    def happen(self):
        chance = self.chance
        what = chance.choices(
            ("fire", "resolve", "once", "outage", "restart", "kill", "set_clock", "silence", "burst"),
            (30, 20, 20, 6, 6, 4, 3, 4, 4),
        )[0]
        getattr(self, what)()

    def fire(self):
        key = (self.chance.choice(CONDITIONS), str(self.chance.randrange(4)))
        severity = self.chance.choice(list(Severity))
        self.firing[key] = severity
        self.node.emit(key[0], Status.FIRING, severity, labels={"key": key[1]})

    def resolve(self, kind=None, key=None):
        if kind is None and not self.firing:
            return
        kind, key = (kind, key) if kind else self.chance.choice(list(self.firing))
        self.firing.pop((kind, key), None)
        self.node.emit(kind, Status.RESOLVED, labels={"key": key})

    def once(self):
        kind = self.chance.choice(EVENTS_ONCE)
        self.node.emit(kind, job={"id": f"j{self.chance.randrange(1_000)}"})

    def burst(self):
        for _ in range(self.chance.randrange(5, 40)):
            self.chance.choice((self.fire, self.once, self.resolve))()

    def outage(self):
        name = self.chance.choice(list(self.down_until))
        length = self.chance.choice((10 * MINUTE, HOUR, 8 * HOUR, 30 * HOUR))
        self.down_until[name] = self.clock.now().wall + length

    def restart(self):
        self.node.restart()

    def kill(self):
        self.node.channels[self.chance.choice(list(self.node.channels))].die_after_next = True

    def set_clock(self):
        self.set_at.append(self.clock.now().wall)
        self.clock.jump(self.chance.choice((-1, 1)) * self.chance.choice((90, 3_600, 86_400, 3 * 86_400)))
        self.set_at.append(self.clock.now().wall)

    def silence(self):
        now = self.clock.now().wall
        self.node.silence(
            Silence(f"s{now}", now, now + self.chance.randrange(HOUR, 8 * HOUR), "me", "", match={"key": "1"})
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_month(seed, tmp_path, monkeypatch):
    fast = tuple(setting.replace("synchronous = FULL", "synchronous = OFF") for setting in database._SETTINGS)
    monkeypatch.setattr(database, "_SETTINGS", fast)  # a kill -9 loses nothing that way either
    month = Month(seed, tmp_path / "state")
    try:
        month.run()
        problems = [*outcomes(month), *told_in_order(month), *held_open(month), *at_night(month), *doubled(month)]
    finally:
        month.node.close()
    assert problems == [], f"run it again with MONTH={seed}"


def outcomes(month):
    """Every alert has come to an end on every channel, for a reason that is known."""
    rows = month.node.deliveries()
    told = {(row.alert_id, row.channel) for row in rows}
    for (alert_id,) in month.node.alerts():
        names = [item.name for item in RECIPIENTS if (alert_id, item.name) not in told]
        yield from (f"{alert_id} is without an outcome on {name}" for name in names)
    for row in rows:
        if row.state.open:
            yield f"{row.kind} of {row.snapshot.type} on {row.channel} is {row.state} ({row.reason}) for ever"
        elif (row.reason or "").partition(":")[0] not in {*GOOD_ENDS, ""}:
            yield f"{row.kind} of {row.snapshot.type} on {row.channel} ended for {row.reason}"
        elif row.reason == "too_old" and row.channel not in month.down_until:
            yield f"{row.kind} on {row.channel} grew too old"


def told(month, name):
    """What a channel was told: instant, alert, and whether as over; a digest tells several."""
    for item in month.node.channels[name].sent:
        message = item.message
        for alert in message.members or (message.alert,):
            yield item.at, alert, alert.status is Status.RESOLVED or str(message.kind) == "resolved", message


def told_in_order(month):
    """Nobody is told that something is over before it was told to fire, unless in one breath."""
    for name in month.node.channels:
        fired = set()
        for _, alert, over, message in told(month, name):
            if not over:
                fired.add(alert.id)
            elif month.node.channels[name] and alert.status is Status.FIRING:
                yield f"{name} was told that {alert.id} is over while it fires ({message.kind})"


def held_open(month):
    """Whoever was told that something fires was told that it is over."""
    states = {}
    dead = {(row.alert_id, row.channel) for row in month.node.deliveries() if row.state is DeliveryState.DEAD}
    for name in month.node.channels:
        for _, alert, over, message in told(month, name):
            if message.left_out == 0 or over:
                states[alert.id, name] = over
    for (alert_id, name), over in states.items():
        alert = month.node.alert(alert_id)
        excused = over or (alert_id, name) in dead or _listed_late(month, name)
        if alert.status is Status.RESOLVED and not excused:
            yield f"{name} was never told that {alert.type} {alert_id} is over"


def _listed_late(month, name):
    """Whether a digest of this channel counted some of its members instead of listing them."""
    return any(item.message.left_out for item in month.node.channels[name].sent)


def at_night(month):
    """Nothing is said in quiet hours but what may be."""
    rules = month.rules.quiet_hours
    held = {row.id: row for row in month.node.deliveries()}
    for recipient in RECIPIENTS:
        for at, alert, over, message in told(month, recipient.name) if recipient.quiet_hours else ():
            if not quiet(rules.windows, at) or (recipient.stateful and over):
                continue
            severity = max(a.severity for a in message.members or (alert,))
            passes = rules.bypass is not None and max(severity, message.severity) >= rules.bypass
            row = held.get(_key(month, recipient.name, message))
            too_long = any(at - member.created_at >= DAY for member in held.values() if row is not None)
            if not passes and not too_long:
                yield f"{recipient.name} was told of {alert.type} at {at}, in quiet hours"


def _key(month, name, message):
    return next(item.key for item in month.node.channels[name].sent if item.message is message)


def doubled(month):
    """A message comes twice only where the agent was killed between the sending and the noting."""
    twice = 0
    for channel in month.node.channels.values():
        keys = [item.key for item in channel.sent]
        twice += len(keys) - len(set(keys))
    if twice > month.kills:
        yield f"{twice} messages came twice, with {month.kills} kills"
    members = [row.id for row in month.node.deliveries() if row.state is DeliveryState.DIGESTED]
    if len(members) != len(set(members)):
        yield "a delivery was told by two digests"
