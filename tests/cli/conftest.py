import ctypes
import json
import os
import socket
import time
from contextlib import contextmanager
from functools import partial

import pytest
from click.testing import CliRunner

from agent.cli.main import gpuwarden
from agent.config.listen import Address
from agent.runtime.board import Board
from agent.runtime.clock import SystemClock
from agent.runtime.showing import Showing
from agent.runtime.view import AgentView
from agent.store.database import Database
from agent.store.directory import DATABASE
from agent.web.access import Access
from agent.web.app import build
from agent.web.listener import Listener
from agent.web.server import Server

NOBODY = 65_534
"""A user who owns nothing."""
PATIENCE = 20.0
"""Seconds before a wait for the server fails the test."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A home of its own, and none of the variables that lead elsewhere."""
    for name in [name for name in os.environ if name.startswith(("GPUWARDEN_", "XDG_", "STATE_DIR", "CREDENTIALS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def call(here):
    def _call(*arguments):
        return CliRunner().invoke(gpuwarden, [*map(str, arguments)])

    return _call


@pytest.fixture
def file(here):
    """Write a configuration that only its owner may read."""

    def _file(text):
        path = here / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return _file


@pytest.fixture
def now():
    """This minute, in whole seconds, as UTC milliseconds: commands read the real clock."""
    return int(time.time()) * 1_000


@pytest.fixture
def state(here):
    path = here / "state"
    path.mkdir(mode=0o711)
    return path


@pytest.fixture
def store(state):
    """The database of an agent that has run here."""
    with Database.open(state / DATABASE, create=True) as database:
        yield database


@pytest.fixture
def agent_port():
    """A port of the loopback interface where nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def ask(call, state, agent_port, monkeypatch):
    """Run a command on the state directory of node n1, whose agent would listen at `agent_port`."""
    monkeypatch.setenv("GPUWARDEN_SERVER__LISTEN", f"127.0.0.1:{agent_port}")
    monkeypatch.setenv("GPUWARDEN_AGENT__TIMEZONE", "UTC")
    monkeypatch.setenv("GPUWARDEN_AGENT__NODE", "n1")
    return partial(call, "--state-dir", state)


@pytest.fixture
def ask_json(ask):
    """Run a command and return the objects that it prints, one a line."""

    def _ask(*arguments):
        result = ask(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    return _ask


@pytest.fixture
def stranger():
    """Within `with stranger():` the files of this test belong to somebody else.

    Only for the calling thread, so that a server in another thread keeps its rights.
    """

    @contextmanager
    def _stranger():
        libc.setfsuid(NOBODY)
        try:
            yield
        finally:
            libc.setfsuid(0)

    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    libc = ctypes.CDLL(None)
    return _stranger


@pytest.fixture
def agent(store, agent_port):
    """The web server of a running agent on the same state."""
    address = Address("127.0.0.1", agent_port)
    opener = partial(Database.open, store.path)
    view = AgentView(Board(), opener, SystemClock(), lambda: Showing("n1"), "1.2.3")
    server = Server(Listener.bind(address), build(view, Access.to(address)))
    server.start()
    yield view
    server.stop()
    assert server.join(PATIENCE)
