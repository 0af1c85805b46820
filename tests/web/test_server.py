import socket
import threading

import httpx
import pytest

from agent.config.listen import Address
from agent.web.access import Access
from agent.web.app import build
from agent.web.listener import Listener, ListenError
from agent.web.server import Server
from tests.web.conftest import PATIENCE


@pytest.fixture
def listener():
    bound = Listener.bind(Address("127.0.0.1", 0))
    yield bound
    bound.close()


def test_the_port_that_was_taken_is_told(listener):
    assert listener.address.port > 0


def test_a_port_in_use_is_an_error_that_names_it(listener):
    with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{listener.address.port}: another program listens there"):
        Listener.bind(listener.address)


@pytest.mark.parametrize(
    "address", [Address("host.invalid", 19_400), Address("192.0.2.1", 19_400)], ids=["no such name", "not ours"]
)
def test_an_address_that_cannot_be_had_is_an_error_that_names_it(address):
    with pytest.raises(ListenError, match=f"cannot listen on {address.host}:19400: ."):
        Listener.bind(address)


def test_ipv6_is_shown_in_brackets():
    try:
        first = Listener.bind(Address("::1", 0))
    except ListenError:
        pytest.skip("this machine has no IPv6 loopback")
    with pytest.raises(ListenError, match=rf"\[::1\]:{first.address.port}"):
        Listener.bind(first.address)
    first.close()


def test_a_unix_socket_is_for_its_owner_and_removed_at_the_end(tmp_path):
    path = tmp_path / "agent.sock"
    bound = Listener.bind(Address(path=path))
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ListenError, match="another program listens there"):
        Listener.bind(Address(path=path))
    bound.close()
    assert not path.exists()


def test_a_unix_socket_that_a_killed_agent_left_is_replaced(tmp_path):
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    Listener.bind(Address(path=path)).close()


def test_a_file_in_the_place_of_a_socket_is_left_alone(tmp_path):
    path = tmp_path / "agent.sock"
    path.write_text("precious")
    with pytest.raises(ListenError, match="no socket"):
        Listener.bind(Address(path=path))
    assert path.read_text() == "precious"


def test_a_path_too_long_for_a_socket_is_an_error(tmp_path):
    with pytest.raises(ListenError, match="too long"):
        Listener.bind(Address(path=tmp_path / ("x" * 200)))


def test_requests_made_before_the_start_are_answered_after_it(listener, view):
    with socket.create_connection(("127.0.0.1", listener.address.port), PATIENCE) as early:
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        server = Server(listener, build(view, Access()))
        server.start()
        assert early.recv(12) == b"HTTP/1.1 200"
    server.stop()
    assert server.join(PATIENCE)


def test_it_runs_on_a_daemon_thread_and_ends_when_asked(listener, view):
    server = Server(listener, build(view, Access()))
    assert not server.alive
    server.start()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "web"]
    assert thread.daemon
    server.stop()
    assert server.join(PATIENCE)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listener.address.port), PATIENCE)


def test_a_server_that_ended_can_be_started_again_on_its_port(listener, view):
    server = Server(listener, build(view, Access()))
    for _ in range(2):
        server.start()
        url = f"http://127.0.0.1:{listener.address.port}/healthz"
        assert httpx.get(url, timeout=PATIENCE, headers={"Connection": "close"}).status_code == 200
        server.stop()
        server._thread.join(PATIENCE)
        assert not server.alive
    assert server.join(PATIENCE)


def test_a_client_that_holds_its_connection_does_not_hold_the_end(listener, view):
    server = Server(listener, build(view, Access()))
    server.start()
    with socket.create_connection(("127.0.0.1", listener.address.port), PATIENCE) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        server.stop()
        assert server.join(PATIENCE)


def test_a_server_that_never_started_ends_at_once(listener, view):
    server = Server(listener, build(view, Access()))
    server.stop()
    assert server.join(0)
