import os
import signal
import threading
import time

import pytest

from agent.runtime.bell import Bell
from tests.runtime.doubles import PATIENCE


@pytest.fixture(params=["eventfd", "pipe"])
def bell(request, monkeypatch):
    if request.param == "pipe":
        monkeypatch.delattr(os, "eventfd")
    made = Bell()
    yield made
    made.close()


def waits(bell, timeout, also=()):
    """Seconds that a wait took."""
    began = time.monotonic()
    bell.wait(timeout, also)
    return time.monotonic() - began


def test_a_ring_before_the_wait_counts(bell):
    bell.ring()
    assert waits(bell, PATIENCE) < PATIENCE / 2


def test_many_rings_count_as_one(bell):
    for _ in range(20_000):
        bell.ring()
    bell.wait(0)
    assert waits(bell, 0.02) >= 0.02


def test_a_ring_from_another_thread_ends_the_wait(bell):
    threading.Timer(0.01, bell.ring).start()
    assert waits(bell, PATIENCE) < PATIENCE / 2


def test_a_timeout_is_rounded_up_so_that_no_wait_spins(bell):
    assert waits(bell, 0.0004) >= 0.0004


def test_a_past_timeout_does_not_wait(bell):
    assert waits(bell, -5.0) < PATIENCE / 2


def test_a_readable_descriptor_ends_the_wait_and_is_left_unread(bell):
    reader, writer = os.pipe()
    os.write(writer, b"x")
    assert waits(bell, PATIENCE, [reader]) < PATIENCE / 2
    assert os.read(reader, 8) == b"x"
    os.close(reader)
    os.close(writer)


def test_the_end_of_a_process_ends_the_wait(bell):
    child = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    descriptor = os.pidfd_open(child)
    threading.Timer(0.01, os.kill, [child, signal.SIGKILL]).start()
    assert waits(bell, PATIENCE, [descriptor]) < PATIENCE / 2
    os.close(descriptor)
    os.waitpid(child, 0)


def test_a_closed_descriptor_is_an_error_instead_of_a_spin(bell):
    reader, writer = os.pipe()
    os.close(writer)
    os.close(reader)
    with pytest.raises(OSError, match=f"descriptor {reader} "):
        bell.wait(0, [reader])


def test_a_ring_after_the_end_touches_nobody_elses_descriptor(bell):
    bell.close()
    reader, writer = os.pipe()  # most likely takes the numbers just given back
    os.set_blocking(reader, False)
    bell.ring()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    bell.close()
