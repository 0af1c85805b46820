"""The tour: a real agent on a temporary state directory, and a training run that runs out of memory in front of it.

Starts the agent and every command as processes of their own, exactly as a user would; touches no agent that runs
already, listens on no port, and leaves nothing behind.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]
STEP, FAST_STEP = 0.07, 0.004
"""Seconds that a training step takes: a tour of half a minute, or one in a hurry."""
START_WITHIN = 60.0
ALERT_WITHIN = 60.0
"""Seconds that a busy machine may need; an idle one takes about one."""
END_WITHIN = 15.0
PROMPT = "$ gpuwarden"
FOOTER = " · demo-node"
"""How the console ends an alert of this node."""

CONFIGURATION = """\
[agent]
node = "demo-node"
state_dir = "{state}"

[server]
enabled = false

[sources.gpu]
enabled = false

[sources.disk]
enabled = false

[sources.processes]
enabled = false

[channels.terminal]
type = "console"
"""


class DemoFailed(Exception):  # noqa: N818 - what became of it
    """The tour could not be shown to its end; the text says where."""


def tour(say: Say, *, fast: bool = False) -> None:
    """Show the tour, which takes half a minute, or a few seconds if `fast`. Raises DemoFailed."""
    with tempfile.TemporaryDirectory(prefix="gpuwarden-demo-") as folder:
        _show(say, Path(folder), FAST_STEP if fast else STEP)
    say("\nThat was all; the temporary files are gone. `gpuwarden init` writes a configuration for this machine.")


def _show(say: Say, folder: Path, step: float) -> None:
    config, log = folder / "config.toml", folder / "train.log"
    config.write_text(CONFIGURATION.format(state=folder / "state"))
    config.chmod(0o600)
    say("An agent starts, with one channel: this terminal. Its four GPUs are simulated, so none is needed.")
    with _agent(config) as heard:
        _until((folder / "state" / "spool").is_dir, START_WITHIN, "the agent to start")
        say(f"\n{PROMPT} exec --log train.log -- python train.py")
        say("It passes everything on and watches. (The training is simulated; PyTorch's words are real.)\n")
        _train(folder, config, log, step)
        say("\nThe run has died. The agent reads its last words, and tells what happened, once:\n")
        _until(lambda: "Training failed" in heard.text(), ALERT_WITHIN, "the alert")
        _until(lambda: heard.text().rstrip().endswith(FOOTER), ALERT_WITHIN, "the whole alert")
        say(heard.text().strip())
        _look_back(say, config)


def _train(folder: Path, config: Path, log: Path, step: float) -> None:
    training = [sys.executable, "-m", "agent.demo_training", str(step)]
    command = _command(config, "exec", "--name", "train.py", "--log", str(log), "--", *training)
    subprocess.run(command, cwd=folder, env=_environ(), check=False)


def _look_back(say: Say, config: Path) -> None:
    say(f"\n{PROMPT} history")
    say(_output(config, "history"))
    alerts = [json.loads(line) for line in _output(config, "history", "--json").splitlines()]
    failed = next((alert["id"] for alert in alerts if alert["type"] == "job_failed"), None)
    if failed is None:
        raise DemoFailed("the history does not show the failure")
    say(f"{PROMPT} explain {failed}")
    say(_output(config, "explain", failed))


class _Heard:
    """What the agent has printed so far, read by a thread as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, args=[process], daemon=True)
        self._thread.start()

    def text(self) -> str:
        """Everything so far."""
        return "".join(self._lines)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line)


@contextmanager
def _agent(config: Path) -> Iterator[_Heard]:
    """A real daemon with simulated GPUs for as long as the tour lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.demo_agent", str(config)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=_environ(), start_new_session=True,
    )  # fmt: skip
    try:
        yield _Heard(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _output(config: Path, *arguments: str) -> str:
    done = subprocess.run(_command(config, *arguments), capture_output=True, text=True, env=_environ(), check=False)
    if done.returncode != 0:
        raise DemoFailed(f"`gpuwarden {arguments[0]}` failed: {done.stderr.strip()}")
    return done.stdout


def _command(config: Path, name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "agent", name, "--config", str(config), *arguments]


def _environ() -> dict[str, str]:
    """This process's environment, without what would lead to another agent, and with the place of this package."""
    root = str(Path(__file__).resolve().parent.parent)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GPUWARDEN_")}
    paths = [root, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise DemoFailed(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.05)
