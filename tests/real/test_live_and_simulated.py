"""The same night, lived through by a real daemon on the real clock, and played by `simulate`: the same messages.

Quiet hours are known to the minute, so a window of one minute is laid around the minutes in which the test runs.
"""

import json
import re
import time
from datetime import UTC, datetime

import pytest

from tests.support.agent import Agent
from tests.support.standin import Answer, StandIn

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
[quiet_hours]
enabled = true
[[quiet_hours.window]]
name = "short"
start = "{start:%H:%M}"
end = "{end:%H:%M}"
timezone = "UTC"
[grouping]
wait = "2s"
interval = "5s"
[sources.disk]
enabled = false
[sources.gpu]
enabled = false
[sources.kernel]
enabled = false
[channels.hook]
type = "webhook"
url = "{url}/hook"
[channels.chat]
type = "slack"
url = "{url}/chat"
"""
GPU, HOT, DISK = ("gpu_error", {"gpu": "3"}), ("gpu_degraded", {"gpu": "5"}), ("disk_warning", {"mount": "/a"})
NIGHT = [
    (-9, {"type": GPU[0], "labels": GPU[1], "title": "GPU 3 is lost"}),
    (4, {"type": GPU[0], "labels": GPU[1], "status": "resolved"}),
    (8, {"type": DISK[0], "labels": DISK[1], "title": "Slow"}),
    (12, {"type": "job_completed", "job": {"id": "j1"}, "title": "bert is done"}),
    (16, {"kill": True}),
    (28, {"type": HOT[0], "labels": HOT[1], "title": "GPU 5 is hot"}),
    (36, {"type": HOT[0], "labels": HOT[1], "status": "resolved"}),
    (64, {"type": "job_failed", "job": {"id": "j2"}, "title": "gpt failed"}),
    (66, {"type": "job_completed", "job": {"id": "j3"}, "title": "vit is done"}),
]
"""What happens, by seconds from the beginning of the quiet minute, which lasts 60."""
END = 80
STARTS_WITHIN = 20.0
"""Seconds before the first event that a daemon on a busy machine may need."""
CLOSE = 4.0
"""Seconds by which a message may come earlier or later than simulated: commands and sources take their time."""
VARYING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|dlv_[0-9a-f]{32}", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\b\d\d:\d\d(:\d\d)?\b", "TIME"),
    (r"\b(\d+[mh] )?\d+s\b", "LENGTH"),
)


def constant(body):
    """A body without what differs between two lives of the same night."""
    for pattern, word in VARYING:
        body = re.sub(pattern, word, body)
    return body


def told(items):
    """What arrived at each place, in order, and when."""
    places = {}
    for place, body, at in sorted(items, key=lambda item: item[2]):
        places.setdefault(place, []).append((constant(body), at))
    return places


@pytest.mark.parametrize("killed", [False, True], ids=["", "with-a-kill"])
def test_the_same_night_twice(tmp_path, killed):
    begin = (int(time.time() + STARTS_WITHIN - NIGHT[0][0]) // 60 + 1) * 60
    start, end = (datetime.fromtimestamp(at, UTC) for at in (begin, begin + 60))
    night = [(at, what) for at, what in NIGHT if killed or "kill" not in what]
    with StandIn(Answer(body=b"ok")) as receiver:
        agent = Agent(tmp_path, CONFIG.format(start=start, end=end, url=receiver.url))
        try:
            agent.start()
            entries = [live(agent, begin + at, what) for at, what in night]
            time.sleep(max(0.0, begin + END - time.time()))
            assert agent.stop() == 0
        finally:
            agent.close()
        arrived = [
            (item.path.strip("/"), item.body.decode(), item.at + time.time() - time.monotonic())
            for item in receiver.received
        ]
    simulated = play(agent, tmp_path / "night.jsonl", entries, begin)
    compare(told(arrived), told(simulated))


def live(agent, at, what):
    """Let one thing happen at its time; returns it as an entry of a timeline, with the moment it really happened."""
    time.sleep(max(0.0, at - time.time()))
    happened = time.time()
    if "kill" in what:
        agent.kill()
        agent.start()
    else:
        body = {"kind": "HandedIn", **what}
        new = agent.state / "spool" / f".new-{at}"
        new.write_text(json.dumps(body))
        new.rename(new.with_name(f"{at:020d}-1-1.json"))
    return {"at": datetime.fromtimestamp(happened, UTC).isoformat(), **what}


def play(agent, path, entries, begin):
    end = {"end": datetime.fromtimestamp(begin + END, UTC).isoformat()}
    path.write_text("".join(json.dumps(entry) + "\n" for entry in [end, *entries]))
    lines = agent.run("simulate", path, "--json", "--full").stdout.splitlines()
    sent = [item for item in map(json.loads, lines) if item["outcome"] == "sent"]
    return [
        (item["channel"], item["request"].partition("\n\n")[2], datetime.fromisoformat(item["at"]).timestamp())
        for item in sent
    ]


def compare(arrived, simulated):
    for place in ("hook", "chat"):
        assert [body for body, _ in arrived[place]] == [body for body, _ in simulated[place]]
        apart = [abs(one - other) for (_, one), (_, other) in zip(arrived[place], simulated[place], strict=True)]
        assert max(apart) < CLOSE
    assert arrived.keys() == simulated.keys() == {"hook", "chat"}
    assert any("from quiet hours" in body for body, _ in arrived["chat"])
