"""The real daemon as a process of its own, and the real commands beside it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

COMMAND = (sys.executable, "-m", "agent")
PATIENCE = 30.0
"""Seconds before a wait for something that never comes fails the test."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, patience=PATIENCE):
    """Look again and again until `condition()` is true, and return what it gave."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {patience:.0f} s in vain for {what}")


class Agent:
    """One state directory with a configuration, on which the daemon is started and stopped."""

    def __init__(self, folder: Path, config: str, **environ: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.port = free_port()
        self.config = folder / "config.toml"
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith("GPUWARDEN_")} | environ
        self.write(config)
        self.process = None
        self.log = folder / "agent.log"

    def write(self, config: str) -> None:
        head = f'[agent]\nnode = "node-1"\nstate_dir = "{self.state}"\nlog_level = "debug"\n'
        if "[sources.processes]" not in config:  # whatever else trains on this machine is no part of the test
            config += "\n[sources.processes]\nenabled = false\n"
        self.config.write_text(f'{head}[server]\nlisten = "127.0.0.1:{self.port}"\n{config}')
        self.config.chmod(0o600)

    def start(self, *, wait=True):
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "--config", self.config], stdout=output, stderr=output, env=self.environ
            )
        if wait:
            until(self.ready, "the agent to be ready")
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the agent ended with {self.process.returncode}:\n{self.log.read_text()}")
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        return httpx.get(self.url + path, trust_env=False)

    def metric(self, line):
        """The value of the series that `line` names, None while there is none."""
        for found in self.get("/metrics").text.splitlines():
            if found.startswith(line + " "):
                return float(found.rpartition(" ")[2])
        return None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, patience=20.0):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)

    def run(self, *arguments, check=True, **options):
        """Run one command to its end."""
        command = [*COMMAND, *(str(item) for item in arguments)]
        environ = self.environ | {"GPUWARDEN_CONFIG": str(self.config)}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def history(self, *arguments):
        done = self.run("history", "--json", *arguments, check=False)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
