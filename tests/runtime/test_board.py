from dataclasses import replace

from agent.core.clock import Instant
from agent.core.model import Sample
from agent.core.ports import Reading, WantedLog
from agent.runtime.board import UNSTORED_LIMIT, Board, StoreTrouble
from agent.runtime.health import Health, deadline_for
from agent.runtime.wishes import Wishes
from tests.runtime.doubles import event, log_reading

T1, T2 = Instant(1_000, 1.0), Instant(2_000, 2.0)
SIZE = Sample("filesystem_size_bytes", 10, {"mountpoint": "/"})


def test_a_reading_replaces_the_samples_of_its_source_alone():
    board = Board()
    board.publish("disk", Reading(samples=(SIZE,)), T1)
    board.publish("logs", Reading(samples=(Sample("log_files", 1),)), T1)
    board.publish("disk", Reading(samples=(replace(SIZE, value=20.0),)), T2)
    assert {sample.name: sample.value for sample in board.samples()} == {
        "filesystem_size_bytes": 20, "log_files": 1,
    }  # fmt: skip
    assert [sample.value for sample in board.samples_of("disk")] == [20]


def test_a_withdrawn_source_shows_no_samples():
    board = Board()
    board.publish("disk", Reading(samples=(SIZE,)), T1)
    board.withdraw("disk")
    assert board.samples() == ()


def test_logs_are_kept_by_path_until_forgotten():
    board = Board()
    board.publish("logs", Reading(logs=(log_reading("/a"), log_reading("/b"))), T1)
    board.publish("logs", Reading(logs=(log_reading("/b", offset=7, size=9),)), T2)
    assert {path: seen.reading.offset for path, seen in board.logs().items()} == {"/a": 100, "/b": 7}
    board.publish("logs", Reading(dropped=("/a", "/never")), T2)
    assert board.log("/a") is None


def test_a_log_is_drained_as_of_the_look_that_reached_its_end():
    board = Board()
    board.publish("logs", Reading(logs=(log_reading(offset=90, size=100),)), T1)
    assert board.log("/logs/run.log").drained_at is None
    board.publish("logs", Reading(logs=(log_reading(),)), T1)
    board.publish("logs", Reading(logs=(log_reading(offset=100, size=120),)), T2)
    assert board.log("/logs/run.log").drained_at == T1.monotonic


def test_another_file_at_the_same_path_has_not_been_drained():
    board = Board()
    board.publish("logs", Reading(logs=(log_reading(),)), T1)
    board.publish("logs", Reading(logs=(log_reading(offset=0, size=5, file="1:3"),)), T2)
    assert board.log("/logs/run.log").drained_at is None


def test_health_follows_the_steps():
    board = Board()
    board.enrol(Health("disk", 10, deadline_for(10), source=True))
    board.began("disk", T1)
    board.ended("disk", T2, "OSError: gone")
    assert (board.health("disk").errors, board.health("disk").well) == (1, False)
    board.began("disk", T2)
    board.ended("disk", T2)
    assert board.health("disk").last_success_at == T2.wall
    assert (board.health("disk").errors, board.health("disk").well) == (0, True)


def test_a_source_without_anything_to_look_at_is_neither_well_nor_in_error():
    board = Board()
    board.enrol(Health("gpu", 5, deadline_for(5), source=True))
    board.unavailable("gpu", "no driver")
    board.began("gpu", T1)
    board.ended("gpu", T1)
    health = board.health("gpu")
    assert (health.errors, health.well, health.last_success_at) == (0, False, None)


def test_a_worker_that_was_dismissed_comes_back_to_nothing():
    board = Board()
    board.enrol(Health("disk", 10, 30))
    board.hold_unstored("disk", [event()])
    board.dismiss("disk")
    board.ended("disk", T2, "too late")
    assert (board.healths(), board.unstored()) == ((), ())


def test_wishes_are_replaced_whole():
    board = Board()
    board.wish(Wishes(frozenset({WantedLog("/a")}), frozenset({"/b"}), frozenset({("boot", 1, 2)})))
    board.wish(Wishes(logs=frozenset({WantedLog("/c")})))
    assert (board.wanted_logs(), board.urgent_logs(), board.wanted_processes()) == ({WantedLog("/c")}, set(), set())


def test_the_heartbeat_is_the_last_finished_round():
    board = Board()
    assert board.heartbeat() is None
    board.beat(T1)
    board.beat(T2)
    assert board.heartbeat() == T2.monotonic


def test_trouble_with_the_store_is_dated_from_its_beginning():
    board = Board()
    board.store_failed("locked", T1)
    board.store_failed("database or disk is full", T2, full=True)
    assert board.store_trouble() == StoreTrouble("database or disk is full", T1.wall, full=True)
    board.store_worked()
    assert board.store_trouble() is None
    assert board.store_errors() == {"read": 0, "write": 2}


def test_unstored_events_are_shown_in_order_of_time_and_within_a_bound():
    board = Board()
    board.hold_unstored("kernel", [event(str(n), at=2 * n) for n in range(UNSTORED_LIMIT)])
    board.hold_unstored("logs", [event("late", at=10**9), event("first", at=-1)])
    shown = board.unstored()
    assert len(shown) == UNSTORED_LIMIT
    assert shown[0].at == -1
    board.hold_unstored("kernel", [])
    assert [item.at for item in board.unstored()] == [-1, 10**9]
