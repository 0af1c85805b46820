"""Real programs in a folder of their own, seen by the process source under a clock that only the test moves."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from agent.sources import proc
from agent.sources.processes.settings import Config, Descriptions
from agent.sources.processes.source import ProcessSource
from tests.support.clock import ManualClock

WAIT = "import sys, time\nprint('hello', flush=True)\ntime.sleep(60)\n"
PATIENCE = 20.0


class Node:
    """`run` starts a line of shell in a session of its own; PYTHON in it is this interpreter."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = ManualClock()
        self.leaders, self.progress, self.described = set(), {}, ()
        self.checkpoint, self.told, self.ids, self.shell = {}, [], [], 0
        self._shells = []
        self.begin()

    def begin(self):
        """Start the source with what was committed."""
        self.source = ProcessSource(
            Config(), Descriptions(self.described), leaders=lambda: self.leaders, progress=self.progress.get, own=-1
        )
        self.source.restore(json.loads(json.dumps(self.checkpoint)))

    def run(self, line, *ready):
        """Start it, and wait until each word of `ready` stands in the command line of one of its processes."""
        words = line.replace("PYTHON", sys.executable)
        shell = subprocess.Popen(["/bin/sh", "-c", words], cwd=self.folder, start_new_session=True)
        self._shells.append(shell)
        self.shell = shell.pid
        return [self.find(word, shell.pid) for word in ready]

    def find(self, word, session):
        """The pid of the process of a session whose command line ends with a word."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for pid in proc.pids():
                stat = proc.stat(pid)
                if stat is not None and stat.session == session and _runs(pid, word):
                    return pid
            time.sleep(0.01)
        raise AssertionError(f"{word} was not started")

    def look(self, seconds=0.0):
        """Let time pass, look, and commit as the worker does; gives the programs seen by pid."""
        reading = self.source.read(self.clock.advance(seconds))
        self.told += [event.fact for event in reading.events]
        self.ids = [event.id for event in reading.events]
        self.checkpoint |= reading.checkpoint
        self.checkpoint = {key: value for key, value in self.checkpoint.items() if value is not None}
        return {tree.pid: tree for tree in reading.trees}

    def until(self, found):
        """Look again and again until `found` makes something of the programs seen: others start when they like."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            result = found(self.look(1))
            if result:
                return result
            time.sleep(0.01)
        raise AssertionError("waited in vain")

    def key(self, pid):
        return proc.boot_id(), pid, proc.stat(pid).start_ticks

    def close(self):
        for shell in self._shells:
            for pid in proc.pids():
                stat = proc.stat(pid)
                if stat is not None and stat.session == shell.pid:
                    os.kill(pid, signal.SIGKILL)
            shell.wait()


def _runs(pid, word):
    try:
        return proc.arguments(pid)[-1:] == (word,)
    except OSError:
        return False


@pytest.fixture
def node(tmp_path):
    (tmp_path / "train.py").write_text(WAIT)
    node = Node(tmp_path)
    yield node
    node.close()
