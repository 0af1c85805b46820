"""Every failure of every channel at debug level, and no secret anywhere but where it belongs (edge case E30)."""

import base64
import contextlib
import sqlite3
from collections import Counter
from importlib.util import find_spec

import pytest
import tomli_w

from tests.channels.adapters import ADAPTERS
from tests.support.agent import until
from tests.support.standin import Answer, Manner, Received, StandIn

KEY = "A9z" * 12
OWN = {
    "signing": base64.b64encode(b"0123456789abcdef0123456789abcdef").decode(),
    "header": "Bearer-" + KEY[::-1],
    "query": "sig-" + KEY.lower(),
    "password": "mail-" + KEY,
}
"""Secrets of tables that are written here, beside those of `adapters`."""
KINDS = {
    name.replace(" ", "-"): adapter
    for name, adapter in ADAPTERS.items()
    if adapter.http or (name == "apprise" and find_spec(name))
}
SECRETS = {
    **OWN,
    **{f"{name} {number}": secret for name, kind in KINDS.items() for number, secret in enumerate(kind.secrets)},
}
TYPES = ("job_failed", "gpu_oom", "host_oom", "gpu_error")
"""Four messages that are never told as one: a refused one leaves others to try."""
ROUNDS = 40
ANSWERS = [
    Answer(401, body=b"who are you"), Answer(500, body=b"oops"), Answer(400, body=b"bad"),
    Answer(302, headers={"Location": "http://127.0.0.1:1/elsewhere"}), Answer(429, headers={"Retry-After": "1"}),
    Answer(200, body=b"fine, but not from the vendor"), Answer(manner=Manner.RESET), Answer(manner=Manner.HANG),
    Answer(manner=Manner.CLOSE), Answer(413),
]  # fmt: skip


class Refusing(StandIn):
    """Refuses each kind of channel, told by the first part of the path, in every way; repeats what it was sent."""

    def __init__(self) -> None:
        self.seen = Counter()
        self._echo = " ".join(SECRETS.values()).encode()
        super().__init__()

    def _take(self, request: Received) -> Answer:
        kind = request.path.split("/")[1]
        answer = ANSWERS[self.seen[kind] % len(ANSWERS)]
        self.seen[kind] += 1
        return Answer(answer.status, answer.headers, answer.body + b" " + self._echo, answer.manner)

    def all_ways_tried(self) -> bool:
        return all(self.seen[kind] >= len(ANSWERS) for kind in KINDS)

    def asked_since(self, before: Counter) -> bool:
        """Whether every kind that has not tried all ways has come again."""
        return all(self.seen[kind] >= min(before[kind] + 1, len(ANSWERS)) for kind in KINDS)


@pytest.fixture
def bad():
    with Refusing() as receiver:
        yield receiver


def config(good: str, bad: str) -> str:
    channels = {name: {**kind.table(f"{bad}/{name}"), "timeout": "1s"} for name, kind in KINDS.items()}
    if "apprise" in channels:
        channels["apprise"]["timeout"] = "3s"  # its process takes its time to start
    channels["signed"] = {
        "type": "webhook", "url": f"{bad}/webhook?token={OWN['query']}", "secret": f"whsec_{OWN['signing']}",
        "headers": {"Authorization": OWN["header"]}, "timeout": "1s",
    }  # fmt: skip
    channels["mail"] = {
        "type": "email", "host": "127.0.0.1", "port": 1, "security": "none", "from": "gpu@example.com",
        "to": ["a@example.com"], "username": "gpu", "password": OWN["password"],
    }  # fmt: skip
    channels["good"] = {"type": "webhook", "url": good}
    return tomli_w.dumps({"channels": channels})


def test_no_secret_leaves_its_place(agents, hook, bad):
    agent = agents(config(hook.url, bad.url)).start()
    for number, alert_type in enumerate(TYPES):
        agent.run("emit", alert_type, "--job", f"j{number}", "--message", f"see {' '.join(SECRETS.values())}")

    for _ in range(ROUNDS):
        before = bad.seen.copy()
        agent.run("queue", "retry", check=False)
        with contextlib.suppress(AssertionError):  # what was under way then waits again: the next round takes it
            until(lambda before=before: bad.asked_since(before), "another attempt of every channel", patience=3.0)
        if bad.all_ways_tried():
            break
    assert bad.all_ways_tried(), bad.seen
    hook.wait_for(len(TYPES))
    places = {
        "commands": "".join(
            agent.run(*words, check=False).stdout
            for words in (
                ("history", "--json"),
                ("queue", "list", "--json"),
                ("config", "show"),
                ("status", "--json"),
                ("check",),
                ("check", "--online"),
                ("test", "signed", "--dry-run"),
                ("test", "slack"),
            )
        ),
        "explain": "".join(agent.run("explain", item["id"]).stdout for item in agent.history()[:4]),
        "metrics": agent.get("/metrics").text,
        "messages": "".join(item.body.decode() for item in hook.received),
        "command line": (agent.folder.parent / f"/proc/{agent.process.pid}/cmdline").read_text(),
    }
    assert agent.stop() == 0
    places["log"] = agent.log.read_text()
    with contextlib.closing(sqlite3.connect(agent.state / "gpuwarden.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            places[table] = str(database.execute(f"SELECT * FROM {table}").fetchall())
    leaks = [(place, name) for place, text in places.items() for name, value in SECRETS.items() if value in text]
    assert leaks == []
    assert {"alert", "delivery", "attempt", "channel_state"} <= places.keys()
    assert "not delivered" in places["log"]
