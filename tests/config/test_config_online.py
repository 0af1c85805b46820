"""Whether channels' servers can be reached: against real sockets on this machine."""

import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from agent.config.checks import Level
from agent.config.online import Endpoint, check_online, endpoints, reach


@contextmanager
def listening(answer=lambda connection: None):
    """A server that takes one connection after another."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.fixture
def context():
    return ssl.create_default_context()


def test_a_server_that_listens(context):
    with listening() as port:
        assert reach(Endpoint("127.0.0.1", port, tls=False), context) is None


def test_a_port_where_nobody_listens(context):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert reach(Endpoint("127.0.0.1", port, tls=False), context) == "Connection refused"


def test_a_name_that_does_not_exist(context):
    trouble = reach(Endpoint("nothing.invalid", 443, tls=True), context)
    assert trouble.startswith("its name cannot be resolved")


def test_a_server_that_speaks_no_tls(context):
    with listening(lambda connection: connection.sendall(b"hello, this is no handshake\n")) as port:
        assert reach(Endpoint("127.0.0.1", port, tls=True), context).startswith("TLS failed")


def test_a_server_that_never_answers(context):
    held = threading.Event()
    with listening(lambda _: held.wait(5)) as port:
        assert reach(Endpoint("127.0.0.1", port, tls=True), context, timeout=0.2) == "no answer within 0.2 s"
        held.set()


CHANNELS = """
[channels.team]
type = "slack"
url = "https://hooks.slack.com/services/T0/B0/x"
[channels.other]
type = "slack"
url = "https://hooks.slack.com/services/T0/B0/y"
[channels.hook]
type = "webhook"
url = "http://127.0.0.1:8080/x"
[channels.off]
type = "webhook"
url = "https://off.example.com/"
enabled = false
[channels.terminal]
type = "console"
"""


def test_each_machine_is_reached_once_for_all_its_channels(place):
    assert endpoints(place.load(CHANNELS)) == {
        Endpoint("hooks.slack.com", 443, tls=True): ("team", "other"),
        Endpoint("127.0.0.1", 8080, tls=False): ("hook",),
    }


def test_behind_a_proxy_only_the_proxy_is_reached(place):
    loaded = place.load(CHANNELS + "[http]\nproxy = 'http://user:pass@proxy.example.com:3128'")
    assert endpoints(loaded) == {Endpoint("proxy.example.com", 3128, tls=False): ("team", "other", "hook")}


def test_findings_name_machine_and_channels_but_no_secret(place):
    findings = check_online(place.load(CHANNELS), lambda endpoint: "refused" if endpoint.tls else None)
    assert [(finding.level, finding.text) for finding in findings] == [
        (Level.ERROR, "channels team, other: hooks.slack.com:443 cannot be reached: refused"),
        (Level.NOTE, "channel hook: 127.0.0.1:8080 can be reached"),
    ]
