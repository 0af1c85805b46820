import os
import signal

import pytest

from agent.runtime.bell import Bell
from agent.runtime.signals import Signals
from tests.runtime.doubles import PATIENCE


@pytest.fixture
def signals():
    bell = Bell()
    with Signals(bell) as installed:
        yield installed
    bell.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_is_seen_and_ends_the_wait(signals, number):
    os.kill(os.getpid(), number)
    signals._bell.wait(PATIENCE)
    assert signals.stop
    assert not signals.take_reload()


def test_a_request_to_reload_is_taken_once(signals):
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGHUP)
    signals._bell.wait(PATIENCE)
    assert (signals.take_reload(), signals.take_reload(), signals.stop) == (True, False, False)


def test_earlier_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with Signals(Bell()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
