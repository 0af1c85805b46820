import os
import socket

import pytest

from agent.runtime.systemd import Notifier


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(20)
        receiver.bind(str(tmp_path / "notify"))
        yield receiver


@pytest.fixture
def notifier(tmp_path):
    return Notifier.from_environ({"NOTIFY_SOCKET": str(tmp_path / "notify")})


@pytest.mark.parametrize(
    ("tell", "datagram"),
    [
        (lambda to: to.ready(), b"READY=1"),
        (lambda to: to.stopping(), b"STOPPING=1"),
        (lambda to: to.watchdog(), b"WATCHDOG=1"),
        (lambda to: to.status("2 jobs,\n1 channel"), b"STATUS=2 jobs, 1 channel"),
        (lambda to: to.status("bad \udcff name"), b"STATUS=bad ? name"),
        (lambda to: to.reloading(12_345), b"RELOADING=1\nMONOTONIC_USEC=12345"),
    ],
)
def test_each_word_is_one_datagram(manager, notifier, tell, datagram):
    tell(notifier)
    assert manager.recv(1_000) == datagram


def test_an_abstract_socket_is_reached_by_its_at_sign():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(20)
        receiver.bind("")  # the kernel picks an abstract name
        name = receiver.getsockname()
        Notifier.from_environ({"NOTIFY_SOCKET": "@" + name[1:].decode()}).ready()
        assert receiver.recv(1_000) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {
    "NOTIFY_SOCKET": "/run/no-such-socket", "WATCHDOG_USEC": "30000000",
}])  # fmt: skip
def test_without_a_manager_nothing_happens(environ):
    assert Notifier.from_environ(environ).ready() is None


def test_a_manager_that_reads_nothing_does_not_block(manager, notifier):
    for _ in range(2_000):
        notifier.status("x" * 1_000)
    assert manager.recv(2_000).startswith(b"STATUS=")


@pytest.mark.parametrize(
    ("watchdog", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(watchdog, interval):
    assert Notifier.from_environ({"NOTIFY_SOCKET": "/run/notify", **watchdog}).watchdog_interval == interval
