import logging
import os
import threading
from itertools import pairwise

import pytest

from agent.runtime.bell import Bell
from agent.runtime.board import Board
from agent.runtime.worker import Next, Worker, pause_after
from tests.runtime.doubles import PATIENCE, LeapingBell
from tests.support.clock import ManualClock

NEVER_OPEN = 1_000_000
"""A descriptor beyond every usual limit."""


class Failing:
    """A step that fails some times, then succeeds once and says so."""

    def __init__(self, failures, error):
        self.failures, self.error = failures, error
        self.calls = []
        self.succeeded = threading.Event()

    def __call__(self, now):
        self.calls.append(now)
        if len(self.calls) <= self.failures:
            raise self.error
        self.succeeded.set()
        return Next()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def run(clock, board):
    """Start a worker on a real thread; it is stopped when the test ends."""
    started = []

    def start(step, bell=None, **options):
        worker = Worker(
            "w", step, bell=bell or Bell(), clock=clock, board=board, **({"interval": 10.0} | options)
        )
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()
        assert worker.join(PATIENCE)


def test_it_works_on_a_named_daemon_thread(run):
    seen = threading.Event()
    threads = []

    def step(now):
        threads.append(threading.current_thread())
        seen.set()
        return Next()

    run(step)
    assert seen.wait(PATIENCE)
    assert (threads[0].name, threads[0].daemon) == ("w", True)


def test_a_ring_brings_the_next_step(run):
    rounds = threading.Semaphore(0)
    bell = Bell()

    def step(now):
        rounds.release()
        return Next()

    run(step, bell)
    assert rounds.acquire(timeout=PATIENCE)
    bell.ring()
    assert rounds.acquire(timeout=PATIENCE)


def test_a_watched_descriptor_brings_the_next_step(run):
    reader, writer = os.pipe()
    rounds = threading.Semaphore(0)

    def step(now):
        rounds.release()
        return Next(watch=(reader,)) if rounds._value < 2 else Next()

    run(step)
    assert rounds.acquire(timeout=PATIENCE)
    os.write(writer, b"x")
    assert rounds.acquire(timeout=PATIENCE)
    os.close(reader)
    os.close(writer)


def test_it_survives_whatever_a_step_raises_and_reports_it(run, clock, board, caplog):
    step = Failing(3, ValueError("no such number"))
    bell = LeapingBell(clock)
    errors = []
    ended = board.ended
    board.ended = lambda name, now, error=None: (errors.append(error), ended(name, now, error))
    worker = run(step, bell)
    assert step.succeeded.wait(PATIENCE)
    worker.stop()
    assert worker.join(PATIENCE)
    assert errors[:4] == ["ValueError: no such number"] * 3 + [None]
    assert board.health("w").errors == 0
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 3
    assert all(record.exc_info[0] is ValueError for record in logged)


def test_failures_in_a_row_are_tried_again_later_and_later(run, clock):
    step = Failing(9, OSError("stale"))
    worker = run(step, LeapingBell(clock))
    assert step.succeeded.wait(PATIENCE)
    worker.stop()
    times = [call.monotonic for call in step.calls[:10]]
    assert [after - before for before, after in pairwise(times)] == [
        1, 2, 4, 8, 16, 32, 60, 60, 60,
    ]  # fmt: skip


def test_the_pause_has_a_bound_however_often_it_failed():
    assert pause_after(100_000) == 60


def test_rings_do_not_cut_a_pause_short(run, clock):
    """A bell that rings all the time gives a step that fails no more turns."""

    class Restless(LeapingBell):
        def wait(self, timeout_s, also=()):
            super().wait(min(timeout_s or 0.1, 0.1))

    step = Failing(2, OSError("stale"))
    worker = run(step, Restless(clock))
    assert step.succeeded.wait(PATIENCE)
    worker.stop()
    first, second = (call.monotonic for call in step.calls[:2])
    assert second - first >= 1


def test_a_stop_ends_even_a_pause(run, board):
    failed = threading.Event()

    def step(now):
        failed.set()
        raise OSError("stale")

    worker = run(step)
    assert failed.wait(PATIENCE)
    worker.stop()
    assert worker.join(PATIENCE)


def test_its_end_runs_on_its_own_thread_after_the_last_step(run):
    order = []
    seen = threading.Event()

    def step(now):
        order.append("step")
        seen.set()
        return Next()

    def at_end(now):
        order.append(threading.current_thread().name)
        raise RuntimeError("even so it ends")

    worker = run(step, at_end=at_end)
    assert seen.wait(PATIENCE)
    worker.stop()
    assert worker.join(PATIENCE)
    assert order == ["step", "w"]


def test_a_closed_descriptor_to_watch_is_a_failure_not_a_spin(run, board):
    rested = threading.Event()

    class Told(Bell):
        def wait(self, timeout_s, also=()):
            if not also:
                rested.set()
            super().wait(timeout_s, also)

    run(lambda now: Next(watch=(NEVER_OPEN,)), Told())
    assert rested.wait(PATIENCE)
    assert "is not open" in board.health("w").last_error


def test_a_step_in_progress_shows_on_the_board(run, clock, board):
    inside, leave = threading.Event(), threading.Event()

    def step(now):
        inside.set()
        leave.wait(PATIENCE)
        return Next()

    run(step, interval=1.0)
    assert inside.wait(PATIENCE)
    assert board.health("w").stuck(clock.advance(10.1))
    leave.set()
