"""kill -9 at random instants of a run with a stream of events: nothing is lost, and nothing gets a second id.

Such a test says nothing about power cuts; what keeps commits over those is asserted in `tests/store`.
"""

import json
import os
import random
import threading
from collections import defaultdict

import pytest

from agent.core.model import DeliveryState
from agent.sources import spool_folder
from tests.support.agent import until

SEED = 20260321
KILLS = int(os.environ.get("GPUWARDEN_TEST_KILLS", "12"))
PACE = 0.1 * max(1, KILLS / 50)
"""Seconds between two events: as many in all as go out without a digest."""
CONFIG = """
[rate_limit]  # each event shall go out by itself, under an id of its own
max_per_hour = 3600
burst = 1000
[channels.hook]
type = "webhook"
url = "{hook}"
[channels.second]
type = "webhook"
url = "{hook}/second"
"""


def hand_in(spool, number):
    body = {"kind": "HandedIn", "type": "job_failed", "job": {"id": f"job-{number}"}, "title": f"event {number}"}
    name = spool / f".new-{number}"
    name.write_text(json.dumps(body))
    name.rename(spool / f"{number:020d}-1-1.json")


def stream(spool, stop, count):
    """Hand events in until told to stop; `count` holds how many there are."""
    while not stop.wait(PACE):
        hand_in(spool, count[0])
        count[0] += 1


@pytest.mark.timeout(1800)
def test_kill_at_random_instants(agents, hook):
    agent = agents(CONFIG.format(hook=hook.url) + '\n[alerts.job_failed]\ncooldown = "0s"\n')
    chance, count, stop = random.Random(SEED), [0], threading.Event()
    spool = agent.state / "spool"
    agent.start()
    writer = threading.Thread(target=stream, args=(spool, stop, count))
    writer.start()
    try:
        for _ in range(KILLS):
            agent.start(wait=False) if agent.process.poll() is not None else None
            stop.wait(chance.uniform(0.0, 2.5))
            agent.kill()
    finally:
        stop.set()
        writer.join()
    agent.start()
    for place in ("/", "/second"):
        until(lambda place=place: len(delivered(hook, place)) == count[0], f"all {count[0]} events at {place}", 300)
    assert all(len(ids) == 1 for place in ("/", "/second") for ids in delivered(hook, place).values())
    until(lambda: not list(spool.glob("*.json")), "an empty spool")
    assert agent.stop() == 0
    check_history(agent, count[0])


def delivered(hook, place):
    """The webhook ids under which each event reached a place."""
    ids = defaultdict(set)
    for item in list(hook.received):
        if item.path == place:
            ids[json.loads(item.body)["data"]["title"]].add(item.headers["webhook-id"])
    return ids


def check_history(agent, count):
    alerts = agent.history("--limit", str(count + 1), "--since", "24h", "--type", "job_failed")
    assert len(alerts) == count
    final = {str(state) for state in DeliveryState if not state.open}
    assert {row["state"] for item in alerts for row in item["deliveries"]} <= final
    assert all(len(item["deliveries"]) == 2 for item in alerts)


def test_the_spool_of_the_test_is_the_spool_of_the_product():
    assert spool_folder.HIDDEN == "."
