"""Timelines: what is read, and what is refused with which words."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from agent.core import timeline
from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.facts import HandedIn
from agent.core.local_time import instant
from agent.core.model import AlertType, DeliveryState, Status
from agent.core.record import of_alert
from agent.core.samples import full
from agent.core.timeline import BadTimeline, ClockSet, Kill, Outage, Silenced
from tests.core.values import delivery

BERLIN = ZoneInfo("Europe/Berlin")
NOW = instant(datetime(2026, 3, 28, 12, 0, tzinfo=UTC))


def at(text, zone=BERLIN):
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone))


def parse(text):
    return timeline.parse(text, NOW, BERLIN)


def test_a_night_is_read():
    found = parse(
        """
        start = 2026-03-27T20:00:00
        end = "2026-03-28 09:00"
        [[event]]
        at = "21:50"
        type = "gpu_error"
        labels = { gpu = "3" }
        [[event]]
        at = 02:00:00
        kill = true
        [[event]]
        at = "+90m"
        outage = "team"
        for = "1h"
        """
    )
    assert (found.start, found.end) == (at("2026-03-27T20:00"), at("2026-03-28T09:00"))
    times, what = zip(*((entry.at, entry.what) for entry in found.entries), strict=True)
    assert times == (at("2026-03-27T21:30"), at("2026-03-27T21:50"), at("2026-03-28T02:00"))
    assert what[0] == Outage("team", HOUR)
    assert isinstance(what[1], HandedIn)
    assert what[1].status is Status.FIRING
    assert what[2] == Kill()


def test_what_a_person_and_a_time_server_do_is_read():
    found = parse(
        """
        [[event]]
        at = "21:00"
        silence = { node = "gpu-*", type = "disk_warning" }
        for = "2h"
        [[event]]
        at = "21:30"
        silence = "GPU 3 is lost"
        for = "1d"
        [[event]]
        at = "22:00"
        set_clock = "+1d"
        [[event]]
        at = "23:00"
        set_clock = "-90s"
        """
    )
    assert [entry.what for entry in found.entries] == [
        Silenced(2 * HOUR, {"node": "gpu-*", "type": "disk_warning"}), Silenced(DAY, title="GPU 3 is lost"),
        ClockSet(DAY), ClockSet(-90_000),
    ]  # fmt: skip


def test_without_a_date_it_happens_today():
    (entry,) = parse('[[event]]\nat = "06:30"\ntype = "job_failed"').entries
    assert entry.at == at("2026-03-28T06:30")


def test_the_start_is_the_first_date_there_is():
    found = parse('{"at": "2026-03-01T10:00:00Z", "type": "job_failed"}\n{"at": "+10m", "kill": true}\n')
    assert found.start == at("2026-03-01T10:00", UTC)
    assert [entry.at - found.start for entry in found.entries] == [0, 10 * MINUTE]


def test_a_time_of_day_that_does_not_exist_is_the_end_of_the_gap():
    (entry,) = parse('start = "2026-03-28 22:00"\n[[event]]\nat = "02:30"\ntype = "job_failed"').entries
    assert entry.at == at("2026-03-29T03:00")


def test_lines_of_the_history_are_entries():
    fired = at("2026-03-27T23:00")
    episode = full(AlertType.DISK_WARNING, "n1", fired)
    line = of_alert(episode, []) | {"status": "resolved", "ends_at": "2026-03-27T23:30:00.000Z"}
    begun, ended = parse(json.dumps(line)).entries
    assert (begun.what.status, ended.what.status) == (Status.FIRING, Status.RESOLVED)
    assert begun.what.fingerprint == episode.fingerprint
    assert begun.what.disk == episode.disk
    assert ended.at == ended.what.ends_at == at("2026-03-27T23:30", UTC)


def test_what_another_alert_told_is_remembered():
    cause = full(AlertType.GPU_OOM, "n1", NOW)
    row = delivery(cause, state=DeliveryState.SUPERSEDED, reason="superseded_by:the-end")
    newer = delivery(cause, state=DeliveryState.SUPERSEDED, reason="superseded_by:dlv_1")
    (entry,) = parse(json.dumps(of_alert(cause, [newer, row]))).entries
    assert entry.what.cause_of == "the-end"


def test_reports_of_the_past_are_made_anew_and_not_replayed():
    assert parse(json.dumps(of_alert(full(AlertType.DAILY_SUMMARY, "n1", NOW), []))).entries == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "neither TOML"),
        ('{"at": 3', "line 1: no JSON"),
        ("[event]\nat = 1", r"expected \[\[event\]\]"),
        ("finish = 1", "finish: unknown key"),
        ('[[event]]\ntype = "job_failed"', "event 1: without `at`"),
        ('[[event]]\nat = "noon"\ntype = "job_failed"', "event 1, at: found 'noon', expected a date"),
        ('[[event]]\nat = "+x"\ntype = "job_failed"', "event 1, at: 'x' is no duration"),
        ('[[event]]\nat = "10:00"\ntype = "job_lost"', 'event 1, type: found "job_lost", expected one of'),
        ('[[event]]\nat = "10:00"\nkill = true\ntype = "job_failed"', "event 1, type: unknown key"),
        ('[[event]]\nat = "10:00"\noutage = "team"', "event 1, for: None is no duration"),
        ('[[event]]\nat = "10:00"\nsilence = { gpu = "3" }', "event 1, for: None is no duration"),
        ('[[event]]\nat = "10:00"\nsilence = { gpu = "3" }\nfor = "31d"', "event 1, for: found '31d', expected more"),
        ('[[event]]\nat = "10:00"\nsilence = { gpu = "3" }\nfor = "0s"', "event 1, for: found '0s', expected more"),
        ('[[event]]\nat = "10:00"\nsilence = {}\nfor = "1h"', "event 1, silence: found {}, expected labels to match"),
        ('[[event]]\nat = "10:00"\nsilence = true\nfor = "1h"', "event 1, silence: found True, expected labels"),
        ('[[event]]\nat = "10:00"\nsilence = { gpu = 3 }\nfor = "1h"', r"silence\.gpu: found 3, expected a text"),
        ('[[event]]\nat = "10:00"\nsilence = "x"\nfor = "1h"\nalert = "y"', "event 1, alert: unknown key"),
        ('[[event]]\nat = "10:00"\nset_clock = "1d"', r"event 1, set_clock: found '1d', expected by how much"),
        ('[[event]]\nat = "10:00"\nset_clock = 60', "event 1, set_clock: found 60, expected by how much"),
        ('[[event]]\nat = "10:00"\nset_clock = "+x"', "event 1, set_clock: 'x' is no duration"),
        ('start = "2026-03-28 10:00"\n[[event]]\nat = "2026-03-28 09:00"\nkill = true', "start: something happens"),
        ('{"starts_at": "x"}', "event 1: cannot be read as a line of `history --json`"),
        ('{"at": "10:00", "kill": true}\n[3]', "event 2: found no object"),
    ],
)
def test_what_cannot_be_read_is_refused(text, words):
    with pytest.raises(BadTimeline, match=words):
        parse(text)
