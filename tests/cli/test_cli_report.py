"""`gpuwarden report`: any past period, printed, written, handed in."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from agent.core.clock import DAY
from agent.core.facts import ReportMade
from agent.core.job import Job, JobState
from agent.core.local_time import instant
from agent.core.model import Status
from agent.core.report_alert import alert_of
from agent.store import alerts, events, jobs
from tests.support.stored import disk_alert

NOON = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def saturday(store):
    """The database of a day with a job that failed and a disk that was full."""
    at = instant(NOON)

    def body(conn):
        job = Job("job-1", ("k",), "bert <base>", at - 7_200_000, state=JobState.FAILED, reason="gpu_oom", ended_at=at)
        jobs.save(conn, job)
        alerts.save(conn, disk_alert(at, status=Status.RESOLVED, ends_at=at + 60_000))
        alerts.save(conn, disk_alert(at + DAY, mountpoint="/other"))

    store.write(body)
    return store


def test_a_day_is_printed(ask, saturday):
    result = ask("report", "daily", "--date", "2026-03-28")
    assert result.exit_code == 0, result.output
    assert "Daily summary of Saturday, 2026-03-28" in result.stdout
    assert "1 job ended: 1 failed. There are no GPU readings. 1 alert, 0 critical." in result.stdout
    assert "Period: 2026-03-28 00:00 to 2026-03-29 00:00 (UTC, 24 h)" in result.stdout
    assert "late" not in result.stdout  # who asks for a day long past has not waited for it
    assert "❌ failed  bert <base>  gpu_oom    2h 00m" in result.stdout


def test_a_week_is_one_object(ask, saturday):
    made = json.loads(ask("report", "weekly", "--date", "2026-03-29", "--json").stdout)
    assert (made["period"], made["hours"]) == ("weekly:2026-03-23", 168.0)
    assert made["alerts"]["by_type"] == [{"type": "disk_warning", "count": 2, "critical": 0, "firing": 1}]


def test_without_a_date_it_is_the_last_full_day(ask, store):
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    assert json.loads(ask("report", "daily", "--json").stdout)["period"] == f"daily:{yesterday}"


def test_a_page_is_written(ask, saturday, here):
    page = here / "day.html"
    result = ask("report", "daily", "--date", "2026-03-28", "--html", page)
    assert (result.exit_code, result.stdout) == (0, "")
    html = page.read_text()
    assert "bert &lt;base&gt;" in html
    assert html.startswith("<!doctype html>")


def test_it_is_handed_in_to_be_sent_each_time_it_is_asked_for(ask, saturday, monkeypatch):
    monkeypatch.setenv("GPUWARDEN_REPORTS__DAILY__CHANNELS", '["console"]')
    for _ in range(2):
        result = ask("report", "daily", "--date", "2026-03-28", "--send")
        assert result.stdout == "daily:2026-03-28: handed to the agent, which sends it to console while it runs\n"
    found = [event for _, event in saturday.read(lambda conn: events.after(conn, 0, 10))]
    assert [type(event.fact) for event in found] == [ReportMade, ReportMade]
    assert len({alert_of(event, event.fact, "n1").fingerprint for event in found}) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("daily", "--date", "soon"), 2, "found 'soon', expected a date such as 2026-03-28"),
        (("daily", "--date", "2999-01-01"), 1, "the period of this report ends on 2999-01-02 at 00:00"),
        (("weekly", "--send"), 1, "no channel takes it: list weekly_digest in the `alerts` of one"),
        (("monthly",), 2, "'monthly' is not one of 'daily', 'weekly'"),
        (("daily", "--html", "/nowhere/page.html"), 1, "/nowhere/page.html cannot be written: No such file"),
    ],
)
def test_what_cannot_be_had(ask, store, arguments, code, words):
    result = ask("report", *arguments)
    assert result.exit_code == code
    assert words in result.stderr


def test_reading_changes_nothing(ask, saturday):
    before = sqlite3.connect(saturday.path).execute("SELECT count(*) FROM event").fetchone()
    ask("report", "daily", "--date", "2026-03-28")
    assert sqlite3.connect(saturday.path).execute("SELECT count(*) FROM event").fetchone() == before
