"""A real daemon that comes back after a day's absence makes the report of the day before, once."""

import json
import sqlite3
import time
from datetime import UTC, datetime, timedelta

from tests.support.agent import until

CONFIG = """
[reports.daily]
enabled = true
time = "{at:%H:%M}"
channels = ["hook"]
[channels.hook]
type = "webhook"
url = "{url}"
min_severity = "critical"
"""
HOUR = 3_600_000


def test_the_report_that_was_missed_is_made_once(agents, hook):
    due = datetime.now(UTC) - timedelta(minutes=2)
    agent = agents(CONFIG.format(at=due, url=hook.url), TZ="UTC")
    agent.start()
    assert agent.stop() == 0
    with sqlite3.connect(agent.state / "gpuwarden.db") as conn:
        lived = int(time.time() * 1000) - 40 * HOUR
        conn.execute("INSERT INTO alive (began, seen) VALUES (?, ?)", (lived - HOUR, lived))
    conn.close()
    agent.start()
    yesterday = (due - timedelta(days=1)).date()
    (told,) = until(lambda: reports(hook), "the report")
    assert told["type"] == "daily_summary"
    assert told["data"]["report"]["period"] == f"daily:{yesterday}"
    assert told["data"]["report"]["agent"]["down_seconds"] > HOUR / 1000
    agent.kill()
    agent.start()
    printed = json.loads(agent.run("report", "daily", "--json").stdout)
    assert printed["period"] == told["data"]["report"]["period"]
    story = agent.run("explain", "--between", "60h", "0s").stdout
    assert "No agent ran from " in story
    assert "the report is sent: its period is over." in story
    assert len(reports(hook)) == 1


def reports(hook):
    bodies = [json.loads(item.body) for item in list(hook.received)]
    return [body for body in bodies if "report" in body["data"]]
