"""Runs one command as if nothing stood before it: terminal, process group, signals and exit code are its own.

Knows nothing of jobs or spools. Two threads at most: one waits for the child, one passes signals on.
"""

import os
import shutil
import signal
import threading
from collections.abc import Mapping

from agent.cli.relay import Relay, open_ends

PASSED_ON = frozenset({
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
})  # fmt: skip
RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores for itself; a child must not inherit that."""
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of shells for commands that cannot be started."""

_FROM_THE_KERNEL = 0x80
"""SI_KERNEL of sigaction(2): a key press, which has reached the child too, as it belongs to the same process group."""


class NotStarted(Exception):  # noqa: N818 - a state of the world, not a fault
    """The command cannot be started; `code` is what a shell would exit with."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Wrapped:
    """A running command. Signals sent to us go on to it, but for key presses, which reach it by themselves."""

    def __init__(self, command: tuple[str, ...], environ: Mapping[str, str], log: int | None = None) -> None:
        """Start it. With `log`, its output goes to that file and the terminal alike. Raises NotStarted."""
        # An ignored signal stays ignored, as `nohup` and background jobs mean it.
        signals = {number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN}
        # Children of a parent that ignores this would vanish without an exit code.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            self.pid, self._relay = _start(command, environ, before, log)
        except NotStarted:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise
        self._lock = threading.Lock()
        self._reaped = False
        threading.Thread(target=self._pass_on, args=(signals,), name="signals", daemon=True).start()

    def wait(self) -> int:
        """Wait for the end of the command; returns its wait status."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._reaped = True
            _, status = os.waitpid(self.pid, 0)
        return status

    def drain(self) -> None:
        """Give the last output a moment to arrive in the log."""
        if self._relay is not None:
            self._relay.child_ended()

    def finish(self) -> None:
        """Wait for a terminal that takes the last output slowly."""
        if self._relay is not None:
            self._relay.wait()

    def _pass_on(self, signals: set[signal.Signals]) -> None:
        while True:
            found = signal.sigwaitinfo(signals)
            with self._lock:  # after the child was waited for, its pid may be another process's
                if not self._reaped and found.si_code != _FROM_THE_KERNEL:
                    os.kill(self.pid, found.si_signo)


def _start(
    command: tuple[str, ...], environ: Mapping[str, str], mask: set[signal.Signals | int], log: int | None
) -> tuple[int, Relay | None]:
    if log is None:
        return _spawn(command, environ, mask, None), None
    ends = open_ends()
    try:
        # Without this, prints reach a pipe only when 8 KiB have come together.
        pid = _spawn(command, {"PYTHONUNBUFFERED": "1", **environ}, mask, ends.writer)
        return pid, Relay(ends, log)
    finally:
        os.close(ends.reader)
        os.close(ends.writer)


def _spawn(
    command: tuple[str, ...], environ: Mapping[str, str], mask: set[signal.Signals | int], output: int | None
) -> int:
    copies = [] if output is None else [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    try:
        return os.posix_spawnp(
            command[0], command, environ, file_actions=copies, setsigmask=mask, setsigdef=RESTORED
        )
    except FileNotFoundError:
        if shutil.which(command[0]) is None:
            raise NotStarted(f"{command[0]}: command not found", NOT_FOUND) from None
        raise NotStarted(f"{command[0]}: its interpreter does not exist", NOT_EXECUTABLE) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise NotStarted(f"{command[0]}: cannot be executed: {reason}", NOT_EXECUTABLE) from None
