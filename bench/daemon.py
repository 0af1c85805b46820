"""The daemon as a process of its own, and what the kernel tells of its time and memory.

It runs as an installed package does: with its byte code at hand, and nothing of the caller's Python settings.
"""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 60.0
"""Seconds to wait for a daemon that starts or stops."""
LISTENED = 0.2
"""Seconds after which to see whether a daemon that says nothing has ended."""
KIB = 1024
TICKS = os.sysconf("SC_CLK_TCK")
_SOCKETS = itertools.count()
"""Numbers the sockets: several daemons may run at once."""


class Failed(Exception):  # noqa: N818 - a state of the world, not a fault
    """The daemon did not do what was to be measured; the text tells what it said."""


class Daemon:
    """A running daemon. `ready_after`: seconds from the start of the interpreter to READY=1."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pid = process.pid
        self.ready_after = 0.0
        self._process = process
        self._log = log

    def resident(self) -> float:
        """Resident memory in MiB (VmRSS)."""
        return _kib(Path(f"/proc/{self.pid}/status"), "VmRSS") / KIB

    def peak(self) -> float:
        """The most resident memory it has had so far, in MiB."""
        return _kib(Path(f"/proc/{self.pid}/status"), "VmHWM") / KIB

    def proportional(self) -> float:
        """The same in MiB, with each shared page counted by its share (PSS)."""
        return _kib(Path(f"/proc/{self.pid}/smaps_rollup"), "Pss") / KIB

    def cpu(self) -> float:
        """Seconds of processor time used so far."""
        return cpu_seconds(self.pid)

    def stop(self) -> None:
        """End it cleanly. Raises Failed if it does not end."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise Failed(self.said()) from None

    def said(self) -> str:
        """What it has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")


def _kib(table: Path, key: str) -> int:
    """A number of such a table of /proc as `VmRSS:  61440 kB`."""
    lines = table.read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time, user and system, that a process and its threads have used (proc(5), stat)."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS


class Site:
    """A folder with everything that a daemon needs: its configuration and its state."""

    def __init__(self, folder: Path, byte_code: Path) -> None:
        """`byte_code`: where Python keeps what it has compiled, between one start and the next."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.state = folder / "state"
        self.environ = _environment(byte_code) | {"GPUWARDEN_CONFIG": str(folder / "config.toml")}
        self.configure("")

    def configure(self, text: str, *, served: bool = True) -> None:
        """Write the configuration, but for what every site has. `served`: with the metrics and health endpoints."""
        server = '[server]\nlisten = "127.0.0.1:0"\n' if served else "[server]\nenabled = false\n"
        head = f'[agent]\nnode = "bench"\nstate_dir = "{self.state}"\n{server}'
        path = self.folder / "config.toml"
        path.touch(mode=0o600)
        path.write_text(head + text, encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """A command of the agent, to be run with `environ`."""
        return [sys.executable, "-m", "agent", *arguments]

    @contextmanager
    def running(self) -> Iterator[Daemon]:
        """Run the daemon from its readiness to the end of the block. Raises Failed if it does not become ready."""
        log = self.folder / "agent.log"
        with log.open("wb") as output, _notifications() as (heard, name):
            environ = self.environ | {"NOTIFY_SOCKET": name}
            began = time.monotonic()
            process = subprocess.Popen(self.command("run"), stdout=output, stderr=output, env=environ)
            daemon = Daemon(process, log)
            try:
                daemon.ready_after = _await_ready(heard, process, log) - began
                yield daemon
            finally:
                daemon.stop()


def _environment(byte_code: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GPUWARDEN_", "PYTHON"))}
    return kept | {"PYTHONPYCACHEPREFIX": str(byte_code)}


@contextmanager
def _notifications() -> Iterator[tuple[socket.socket, str]]:
    """The socket on which systemd would listen, and its name: an abstract one, as the folder's path may be too long."""
    name = f"gpuwarden-bench-{os.getpid()}-{next(_SOCKETS)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0{name}")
        heard.settimeout(LISTENED)
        yield heard, f"@{name}"


def _await_ready(heard: socket.socket, process: subprocess.Popen[bytes], log: Path) -> float:
    """The moment (monotonic seconds) at which the daemon said that it is ready."""
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        with suppress(TimeoutError):
            if b"READY=1" in heard.recv(4096):
                return time.monotonic()
    raise Failed(log.read_text(encoding="utf-8", errors="replace"))
