import httpx
import pytest

from agent.config.listen import Address
from agent.web.access import Access
from agent.web.app import build
from agent.web.listener import Listener
from agent.web.server import Server

PATIENCE = 20.0
"""Seconds before a wait for the server fails the test."""


class View:
    """The agent as the routes see it; each answer can be replaced, also by an exception to raise."""

    def __init__(self):
        self.reasons = []
        self.alive = True
        self.alerts = [{"id": "a-1"}]
        self.error = None
        self.asked = []

    def metrics(self, *, openmetrics):
        return (b"om 1\n", "application/openmetrics-text") if openmetrics else (b"plain 1\n", "text/plain")

    def healthy(self):
        return self.alive

    def ready(self):
        return self.reasons

    def status(self):
        if self.error:
            raise self.error
        return {"jobs": []}

    def history(self, query):
        self.asked.append(query)
        return self.alerts

    def explain(self, alert_id):
        return {"id": alert_id, "story": []} if alert_id == "a-1" else None

    def between(self, since, until):
        self.asked.append((since, until))
        return {"alerts": self.alerts}

    def queue(self):
        return [{"id": "dlv_1"}]

    def silences(self):
        return [{"id": "s1"}]


@pytest.fixture
def view():
    return View()


@pytest.fixture
def serve(view):
    """Start the real server on a loopback port and return a client for it."""
    running = []

    def start(address=Address("127.0.0.1", 0), access=None):  # noqa: B008 - a value
        listener = Listener.bind(address)
        server = Server(listener, build(view, access or Access.to(address)))
        server.start()
        transport = httpx.HTTPTransport(uds=str(address.path) if address.path else None)
        base = "http://agent" if address.path else f"http://127.0.0.1:{listener.address.port}"
        client = httpx.Client(base_url=base, transport=transport, timeout=PATIENCE)
        running.append((server, client))
        return client

    yield start
    for server, client in running:
        client.close()
        server.stop()
        assert server.join(PATIENCE)


@pytest.fixture
def client(serve):
    return serve()
