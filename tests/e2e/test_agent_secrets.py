"""Every failure at debug level, and no secret anywhere but where it belongs (edge case E30)."""

import base64
import contextlib
import json
import sqlite3

import pytest

from tests.support.agent import until
from tests.support.standin import Answer, Manner, StandIn

KEY = "A9z" * 12
SECRETS = {
    "path": "T0SECRETT/B0SECRETB/" + KEY,
    "signing": base64.b64encode(b"0123456789abcdef0123456789abcdef").decode(),
    "header": "Bearer-" + KEY[::-1],
    "query": "sig-" + KEY.lower(),
}
CONFIG = """
[channels.good]
type = "webhook"
url = "{good}"
[channels.slack]
type = "slack"
url = "{bad}/services/{path}"
timeout = "1s"
[channels.signed]
type = "webhook"
url = "{bad}/hook?token={query}"
secret = "whsec_{signing}"
headers = {{ Authorization = "{header}" }}
timeout = "1s"
"""
ANSWERS = [
    Answer(401, body=b"who are you"), Answer(403), Answer(404), Answer(500, body=b"oops"), Answer(400, body=b"bad"),
    Answer(302, headers={"Location": "http://127.0.0.1:1/elsewhere"}), Answer(429, headers={"Retry-After": "1"}),
    Answer(manner=Manner.RESET), Answer(manner=Manner.HANG), Answer(manner=Manner.CLOSE), Answer(413),
]  # fmt: skip


@pytest.fixture
def bad():
    with StandIn(*ANSWERS) as receiver:
        # What a provider says may repeat what it was sent.
        echo = json.dumps(SECRETS).encode()
        receiver.answer_with(*(Answer(item.status, item.headers, item.body + echo, item.manner) for item in ANSWERS))
        yield receiver


def test_no_secret_leaves_its_place(agents, hook, bad):
    agent = agents(CONFIG.format(good=hook.url, bad=bad.url, **SECRETS)).start()
    for number in range(4):
        agent.run("emit", "job_failed", "--job", f"j{number}", "--message", f"see {bad.url}/services/{SECRETS['path']}")
    for _ in range(len(ANSWERS)):
        agent.run("queue", "retry", check=False)
        before = len(bad.received)
        until(lambda before=before: len(bad.received) > before, "another attempt")
    hook.wait_for(4)
    places = {
        "commands": "".join(
            agent.run(*words, check=False).stdout
            for words in (
                ("history", "--json"),
                ("queue", "list", "--json"),
                ("config", "show"),
                ("status", "--json"),
                ("check",),
                ("test", "slack", "--dry-run"),
                ("test", "signed", "--dry-run"),
                ("test", "slack"),
            )
        ),
        "explain": "".join(agent.run("explain", item["id"]).stdout for item in agent.history()),
        "metrics": agent.get("/metrics").text,
        "messages": "".join(item.body.decode() for item in hook.received),
        "command line": (agent.folder.parent / f"/proc/{agent.process.pid}/cmdline").read_text(),
    }
    assert agent.stop() == 0
    places["log"] = agent.log.read_text()
    with contextlib.closing(sqlite3.connect(agent.state / "gpuwarden.db")) as database:
        for table in (
            "alert",
            "delivery",
            "attempt",
            "decision",
            "channel_state",
            "channel_ledger",
            "meta",
            "event",
            "job",
        ):
            places[table] = str(database.execute(f"SELECT * FROM {table}").fetchall())
    leaks = [(place, name) for place, text in places.items() for name, value in SECRETS.items() if value in text]
    assert leaks == []
    assert "not delivered" in places["log"]
