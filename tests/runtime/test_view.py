"""What the running agent shows of itself."""

import json
from datetime import UTC
from functools import partial

import pytest

from agent.core.model import Sample
from agent.core.payload import rfc3339
from agent.core.policy.model import Recipient
from agent.core.ports import LogHeld, LogReading, Reading, TreeReading
from agent.core.record import HistoryQuery
from agent.runtime.board import Board
from agent.runtime.health import Health
from agent.runtime.showing import Showing
from agent.runtime.status import REMEDY
from agent.runtime.view import AgentView
from agent.store.database import Database
from tests.support.clock import START, ManualClock
from tests.support.stored import disk_alert, given_up, told

SECTIONS = {
    "running", "node", "version", "started_at", "uptime_seconds", "jobs", "alerts", "channels", "silences", "disks",
    "quiet_hours", "sources", "logs", "processes", "store", "gpus", "driver",
}  # fmt: skip


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def db(tmp_path):
    with Database.open(tmp_path / "gpuwarden.db", create=True) as database:
        yield database


@pytest.fixture
def view(board, db, clock):
    showing = Showing("n1", (Recipient("ops", "slack"),), zone=UTC)
    return AgentView(board, partial(Database.open, db.path), clock, lambda: showing, "1.2.3")


def test_status_has_every_section_and_is_json(view, clock, board, db):
    told(db, disk_alert(START), START)
    clock.advance(90.5)
    found = view.status()
    assert found.keys() == SECTIONS
    assert (found["running"], found["version"], found["started_at"], found["uptime_seconds"]) == (
        True, "1.2.3", rfc3339(START), 90.5
    )  # fmt: skip
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_disks_as_last_measured(view, clock, board):
    labels = {"mountpoint": "/data\udcff", "device": "/dev/sda1", "fstype": "ext4"}
    values = {"size_bytes": 1000, "free_bytes": 100, "avail_bytes": 80, "files": 50, "files_free": 25}
    samples = tuple(Sample(f"filesystem_{name}", value, labels) for name, value in values.items())
    board.publish("disk", Reading(samples), clock.now())
    assert view.status()["disks"] == [
        {"mountpoint": "/data\ufffd", "device": "/dev/sda1", "fstype": "ext4", "used_percent": 91.8, "free_bytes": 80,
         "size_bytes": 1000, "inodes_used_percent": 50.0, "readonly": False},
    ]  # fmt: skip


def test_a_source_that_works(view, clock, board):
    board.enrol(Health("disk", 30.0, 90.0, source=True))
    board.began("disk", clock.now())
    board.ended("disk", clock.now())
    assert view.status()["sources"] == [
        {"name": "disk", "state": "ok", "detail": None, "interval_seconds": 30.0, "last_success_at": rfc3339(START)}
    ]


def test_a_source_that_has_not_begun_keeps_the_agent_from_being_ready(view, clock, board):
    board.enrol(Health("disk", 30.0, 90.0, source=True))
    board.beat(clock.now())
    assert view.status()["sources"][0]["state"] == "starting"
    assert view.ready() == ["source disk: has not started"]


def test_a_source_that_is_not_there_tells_the_remedy(view, clock, board):
    board.enrol(Health("gpu", 10.0, 30.0, source=True))
    board.unavailable("gpu", "no NVIDIA driver: install one")
    (source,) = view.status()["sources"]
    assert (source["state"], source["detail"]) == ("unavailable", "no NVIDIA driver: install one")


def test_a_source_that_fails(view, clock, board):
    board.enrol(Health("gpu", 10.0, 30.0, source=True))
    details = []
    for _ in range(2):
        board.began("gpu", clock.now())
        board.ended("gpu", clock.now(), "RuntimeError: boom")
        (source,) = view.status()["sources"]
        details.append(source["detail"])
    assert source["state"] == "failing"
    assert details == ["failed: RuntimeError: boom", "failed 2 times in a row: RuntimeError: boom"]


def test_a_source_that_is_stuck(view, clock, board):
    board.enrol(Health("gpu", 10.0, 30.0, source=True))
    board.began("gpu", clock.now())
    clock.advance(31)
    (source,) = view.status()["sources"]
    assert (source["state"], source["detail"]) == ("stuck", "has been busy with one look for 31 s")


def test_workers_that_are_no_sources_are_not_listed(view, board):
    board.enrol(Health("evaluator", 1.0, 10.0))
    assert view.status()["sources"] == []


def test_logs_that_are_followed(view, clock, board):
    board.publish("logs", Reading((Sample("log_files", 3), Sample("log_lag_bytes", 512))), clock.now())
    assert view.status()["logs"] == {"followed": 3, "unread_bytes": 512, "unreadable": []}


def test_logs_that_cannot_be_read_come_with_the_remedy(view, clock, board):
    board.publish("logs", Reading(unreadable={"/b": "is a directory", "/a": "Permission denied"}), clock.now())
    first, second = view.status()["logs"]["unreadable"]
    assert (first["path"], first["reason"]) == ("/a", "Permission denied")
    assert first["remedy"].startswith("let the user that the agent runs as read the file")
    assert second == {"path": "/b", "reason": "is a directory", "remedy": None}
    board.publish("logs", Reading(), clock.now())
    assert view.status()["logs"]["unreadable"] == []


def test_a_store_in_trouble_is_said_and_keeps_the_agent_from_being_ready(view, clock, board):
    board.beat(clock.now())
    board.store_failed("the disk is full", clock.now(), full=True)
    assert view.status()["store"] == {"trouble": "the disk is full", "since": rfc3339(START)}
    assert view.ready() == ["store: the disk is full"]


def test_ready_once_the_evaluator_has_gone_round(view, clock, board):
    assert view.ready() == ["evaluator: has not finished a round yet"]
    board.beat(clock.now())
    assert view.ready() == []


def test_an_evaluator_that_stands_still_is_neither_healthy_nor_ready(view, clock, board):
    board.beat(clock.now())
    clock.advance(30)
    assert view.healthy()
    clock.advance(1)
    assert not view.healthy()
    assert view.ready() == ["evaluator: has finished no round for 31 s"]


def test_the_summary_counts(view, db):
    told(db, disk_alert(START), START)
    told(db, disk_alert(START, mountpoint="/b"), START, channel="pager")
    given_up(db, "pager", START, "rejected")
    assert view.summary() == "jobs 0, firing 2, waiting 1, dead letters 1"


def test_the_summary_never_fails(board, clock, tmp_path):
    opener = partial(Database.open, tmp_path / "missing.db")
    view = AgentView(board, opener, clock, lambda: Showing("n1"), "1.2.3")
    assert view.summary().startswith("the store cannot be read: ")


def test_the_store_s_answers_are_passed_on(view, db):
    alert = disk_alert(START)
    told(db, alert, START)
    assert [item["id"] for item in view.history(HistoryQuery())] == [alert.id]
    assert view.explain(alert.id)["id"] == alert.id
    assert [item["id"] for item in view.between(START, START + 1)["alerts"]] == [alert.id]
    assert [item["alert_id"] for item in view.queue()] == [alert.id]
    assert view.silences() == []
    assert view.snapshot().queue == {("ops", "queued"): 1}


def test_metrics_are_rendered_by_whoever_has_them(view):
    assert view.metrics(openmetrics=False) == (b"", "text/plain")
    view.page = lambda *, openmetrics: (b"page", str(openmetrics))
    assert view.metrics(openmetrics=True) == (b"page", "True")


def test_status_tells_of_programs_and_of_what_they_write_jobs_first(view, board, clock):
    logs = tuple(LogHeld(f"the output of {path}", path) for path in ("/a", "/b", "/c", "/d"))
    none = TreeReading(7, "\x1b[1mkernel", False, "is a notebook")
    logs = (*logs, LogHeld("its errors", trouble="is lost"))
    job = TreeReading(8, "t.py", True, "started by torchrun", None, (8, 9, 10), logs)
    board.publish("processes", Reading(trees=(none, job)), clock.now())
    unreadable = {"/b": "Permission denied", "/c": "is a directory"}
    read = LogReading("/a", "1:2:3", 5, 5, None, None)
    board.publish("logs", Reading(logs=(read,), unreadable=unreadable), clock.now())
    shown, aside = view.status()["processes"]
    assert aside == {"pid": 7, "name": "kernel", "job": False, "because": "is a notebook", "processes": 1, "logs": []}
    assert (shown["job"], shown["processes"], shown["logs"][0]["what"]) == (True, 3, "the output of /a")
    assert [(log["path"], log["read"], log["reason"]) for log in shown["logs"]] == [
        ("/a", True, None),
        ("/b", False, f"Permission denied: {REMEDY}"),
        ("/c", False, "is a directory"),
        ("/d", False, None),
        (None, False, "is lost"),
    ]  # fmt: skip
