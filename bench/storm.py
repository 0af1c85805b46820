"""How long ten thousand events on two hundred keys take, from the store and back into it, with every policy on."""

import time
from pathlib import Path

from agent.core.digest import compose_digest
from agent.core.facts import Event, HandedIn, event_id
from agent.core.message import Message, compose
from agent.core.model import AlertType, Severity, Status
from agent.core.policy.bucket import RateLimit
from agent.core.policy.model import Grouping, Recipient, Rules
from agent.core.ports import Receipt
from agent.core.redact import Redactor
from agent.runtime.clock import VirtualClock
from agent.runtime.evaluator_settings import Settings
from agent.runtime.news import News
from agent.runtime.outlet import Outlet
from agent.runtime.rehearsal import Rehearsal
from agent.store import events
from bench.figures import Row
from bench.setting import Setting

EVENTS, KEYS, SECONDS = 10_000, 200, 60
START = 1_790_000_000_000
CHANNELS = (Recipient("chat", "slack"), Recipient("hook", "webhook", program=True))


class Taking:
    """A channel that takes everything."""

    def send(self, message: Message, key: str) -> Receipt:
        return Receipt()

    def preview(self, message: Message, key: str) -> str:
        return key

    def close(self) -> None:
        pass


def measure(setting: Setting) -> list[Row]:
    """A minute of events, second by second: what the agent works on them, which must stay far below a minute."""
    found = [_busy(setting.site(f"storm-{number}").state) for number in range(setting.runs(3, 1))]
    return [
        Row("storm, stored and decided", [wall for wall, _ in found], "s", "5 s", f"{EVENTS:,} events on {KEYS} keys"),
        Row("storm, CPU", [cpu for _, cpu in found], "s", remark="of a minute"),
    ]


def _busy(state: Path) -> tuple[float, float]:
    """Seconds of work, and of CPU."""
    clock = VirtualClock(START)
    settings = Settings("bench", CHANNELS, Rules(grouping=Grouping(), rate_limit=RateLimit()))
    ways_out = [(Outlet(item.name, item.type, Taking(), 15.0), _compose) for item in CHANNELS]
    node = Rehearsal(state, clock, lambda: settings, ways_out)
    began, cpu = time.perf_counter(), time.process_time()
    for second in range(SECONDS):
        numbers = range(second * EVENTS // SECONDS, (second + 1) * EVENTS // SECONDS)
        batch = [_event(number, clock) for number in numbers]
        node.database.write(lambda conn, batch=batch: events.append(conn, batch))
        node.run(1)
    spent = time.perf_counter() - began, time.process_time() - cpu
    node.close()
    return spent


def _event(number: int, clock: VirtualClock) -> Event:
    status = Status.RESOLVED if number % 5 == 0 else Status.FIRING
    fact = HandedIn(AlertType.DISK_WARNING, status, Severity.WARNING, labels={"mount": f"/m{number * 7 % KEYS}"})
    return Event(event_id("storm", number), "storm", clock.now().wall, fact)


def _compose(news: News, now: int) -> Message:
    given = {"now": now, "reason": "bench", "node": "bench", "redactor": Redactor()}
    if news.members:
        return compose_digest(news.digest, **given)
    return compose(news.alert, news.row.kind, **given)
