"""What the running agent has imported: each training node pays for it in memory."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.agent import until

AT_THE_END = """
import atexit, sys
atexit.register(lambda: print("imported", *sys.modules))
from agent.__main__ import main
main()
"""

SERVING = {"uvicorn", "starlette", "anyio"}
CALLING = {"httpcore", "certifi"}
COMMANDS = {
    "rich", "httpx", "tomli_w", "agent.simulation", "agent.runtime.rehearsal", "agent.sources.logs.offline",
}  # fmt: skip
"""What only commands use."""
OFF = "[server]\nenabled = false\n"
HOOK = '[channels.ops]\ntype = "webhook"\nurl = "http://127.0.0.1:9/hook"\n'


@pytest.fixture
def imports(tmp_path):
    """Start the agent on a configuration, and see what it has imported once it is ready."""
    config, log = tmp_path / "config.toml", tmp_path / "agent.log"

    def started(text):
        config.write_text(f'[agent]\nstate_dir = "{tmp_path}/state"\n{text}')
        config.chmod(0o600)
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GPUWARDEN_")}
        command = [sys.executable, "-c", AT_THE_END, "run", "--config", config]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environ)
        try:
            until(lambda: "agent.daemon: channels: " in log.read_text(), "the agent to be ready")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
        line = next(line for line in log.read_text().splitlines() if line.startswith("imported "))
        return set(line.split())

    return started


def test_an_agent_that_only_prints_imports_nothing_of_the_network(imports):
    found = imports(OFF)
    assert "agent.channels.console" in found
    assert not found & (SERVING | CALLING | COMMANDS)


def test_an_agent_with_everything_imports_no_commands(imports):
    found = imports(HOOK + '[server]\nlisten = "127.0.0.1:0"\n')
    assert found >= SERVING | CALLING  # with its start, and not with its first alert
    assert not found & COMMANDS
