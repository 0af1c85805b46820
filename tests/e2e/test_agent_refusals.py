"""Nothing to start on: each a clear message, exit code 2, and nothing half done."""

import os
import socket
import sqlite3
import subprocess

import pytest

from agent.store.schema import APPLICATION_ID, SCHEMA_VERSION
from tests.support.agent import COMMAND, free_port


@pytest.fixture
def place(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(f'[server]\nlisten = "127.0.0.1:{free_port()}"\n')
    return tmp_path, config, tmp_path / "state"


def refused(place, text="", **environ):
    """Start the daemon with `text` added to its configuration; what it says when it refuses."""
    _, config, state = place
    config.write_text(config.read_text() + text)
    known = {key: value for key, value in os.environ.items() if not key.startswith("GPUWARDEN_")} | environ
    command = [*COMMAND, "run", "--config", config, "--state-dir", state]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=known)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sources.dsik]\nenabled = true\n", ["config.toml", "sources.dsik", "disk"]),
        ('[alerts.job_failed]\ncooldwn = "3m"\n', ["alerts.job_failed.cooldwn", "cooldown"]),
        ("[sources.disk]\nwarn_percent = 'high'\n", ["sources.disk.warn_percent", "high"]),
        ('[sources.disk]\ninterval = "30 parsecs"\n', ["sources.disk.interval", "30 parsecs", "15m"]),
        ('[channels.x]\ntype = "slak"\n', ["channels.x.type", "slak", "slack"]),
        ('[channels.x]\ntype = "slack"\nurl = { file = "/nonexistent" }\n', ["channels.x.url", "/nonexistent"]),
        ('[channels.x]\ntype = "slack"\nurl = { env = "NOT_SET_HERE" }\n', ["channels.x.url", "NOT_SET_HERE"]),
        ('[agent]\ntimezone = "Mars/Olympus"\n', ["agent.timezone", "Mars/Olympus"]),
        ('[sources.logs]\npaths = ["/usr"]\n', ["sources.logs.paths", "/usr", "directory"]),
        (
            '[[sources.logs.signatures]]\nid = "mine"\npattern = "a(b"\nkind = "crash"\n',
            ["sources.logs.signatures", "mine"],
        ),
        ("[agent\n", ["config.toml:", "no valid TOML"]),
    ],
)
def test_a_bad_configuration(place, text, words):
    said = refused(place, text)
    assert [word for word in words if word not in said] == []
    assert not place[2].exists()


def test_a_configuration_that_is_not_there(place):
    _, config, _ = place
    config.unlink()
    done = subprocess.run([*COMMAND, "run", "--config", config], capture_output=True, text=True, timeout=30)
    assert (done.returncode, str(config) in done.stderr) == (2, True)


def test_a_port_in_use(place):
    _, config, _ = place
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config.write_text(f'[server]\nlisten = "127.0.0.1:{port}"\n')
        said = refused(place)
    assert f"127.0.0.1:{port}" in said


def test_a_second_agent(agents, hook):
    agent = agents(f'[channels.hook]\ntype = "webhook"\nurl = "{hook.url}"\n').start()
    done = agent.run("run", "--config", agent.config, check=False)
    assert done.returncode == 2
    assert str(agent.process.pid) in done.stderr and str(agent.state) in done.stderr
    assert agent.get("/healthz").status_code == 200


def test_a_state_directory_that_is_a_file(place):
    place[2].write_text("")
    assert str(place[2]) in refused(place)


def test_a_state_directory_that_cannot_be_written(place):
    assert "/proc/1/state" in refused((place[0], place[1], "/proc/1/state"))


def test_a_state_directory_of_a_newer_version(place):
    place[2].mkdir()
    database = sqlite3.connect(place[2] / "gpuwarden.db")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.execute("CREATE TABLE event (id)")
    database.commit()
    database.close()
    said = refused(place)
    assert str(SCHEMA_VERSION + 1) in said and "gpuwarden.db" in said
