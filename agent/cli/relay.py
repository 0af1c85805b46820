"""Passes a child's output on to terminal and log file, in a process of its own.

Of its own, so that the child keeps a reader when the wrapper is killed: a training that prints into a broken pipe dies.
Nothing that happens to terminal or file reaches the child. Bytes are passed on as they are, as soon as they come.
"""

import contextlib
import os
import pty
import select
import selectors
import signal
import socket
import termios
import time
import tty
from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 65_536
QUIET_S = 0.5
"""After the child's end, its own children may hold the output open: seconds without a byte from them that end it."""
DRAIN_S = 2.0
"""The longest time that they are listened to."""

STDOUT, STDERR = 1, 2


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of what a child prints into."""

    reader: int
    writer: int


class Relay:
    """A process that passes output on. `child_ended` tells it so; it ends by itself, also if the wrapper is killed."""

    def __init__(self, ends: Ends, log: int) -> None:
        """Start it. The caller must close its own copies of both ends afterwards."""
        self._line, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                self._line.close()
                os.close(ends.writer)
                _pass_on(ends.reader, theirs, (_Sink(log, "the log file"), _Sink(STDOUT, "the terminal", final=True)))
            finally:
                os._exit(0)
        theirs.close()

    def child_ended(self) -> None:
        """Let it drain what is left, and wait for that a little; a stopped terminal may hold it longer."""
        with contextlib.suppress(OSError):
            self._line.send(b".")
        _await(self._line.fileno(), select.POLLIN, DRAIN_S + QUIET_S)

    def wait(self) -> None:
        """Wait until everything was passed on."""
        os.waitpid(self._pid, 0)
        self._line.close()


def open_ends() -> Ends:
    """Make a pipe, or a terminal of our own if the output is one, so that bars look as they would without us."""
    if not os.isatty(STDOUT):
        return Ends(*os.pipe())
    reader, writer = pty.openpty()
    # Raw, or this terminal would change line ends that the real one changes again.
    tty.setraw(writer)
    _copy_size(reader)
    return Ends(reader, writer)


class _Sink:
    """One place to write to; its troubles are told once, and are nobody else's."""

    def __init__(self, handle: int, name: str, *, final: bool = False) -> None:
        """`final`: after an error it is gone for good, like a closed terminal; a full disk may have room again."""
        self._handle = handle
        self._name = name
        self._final = final
        self._told = False
        self._gone = False

    def write(self, data: bytes) -> None:
        """Write everything, or give up."""
        if self._gone:
            return
        try:
            _write_all(self._handle, data)
        except OSError as error:
            self._gone = self._final
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            text = f"gpuwarden: warning: {self._name} takes no output ({error.strerror}); the command goes on\n"
            with contextlib.suppress(OSError):
                os.write(STDERR, text.encode("utf-8", "replace"))


def _pass_on(reader: int, line: socket.socket, sinks: Sequence[_Sink]) -> None:
    """Pass on until nobody can write any more or, once the child has ended, nobody does."""
    signal.signal(signal.SIGWINCH, lambda number, frame: _copy_size(reader))  # noqa: ARG005 - its shape
    ended_at: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        selector.register(line, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select(None if ended_at is None else QUIET_S)]
            if line in ready:
                # A byte means that the child has ended; the end of the line, that the wrapper was killed.
                ended_at = time.monotonic() if line.recv(1) else None
                selector.unregister(line)
            if reader in ready:
                data = _read(reader)
                if not data:
                    return
                for sink in sinks:
                    sink.write(data)
            if ended_at is not None and (not ready or time.monotonic() - ended_at > DRAIN_S):
                return


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, CHUNK)
    except OSError:  # how a terminal says that nobody writes to it any more
        return b""


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(handle, left) :]
        except BlockingIOError:
            _await(handle, select.POLLOUT)


def _await(handle: int, event: int, seconds: float | None = None) -> None:
    """Wait for one event of a descriptor of any number: `select` takes none from 1,024 on."""
    poll = select.poll()
    poll.register(handle, event)
    poll.poll(None if seconds is None else seconds * 1000)


def _copy_size(terminal: int) -> None:
    """Give our terminal the size of the real one."""
    with contextlib.suppress(OSError, termios.error):
        termios.tcsetwinsize(terminal, termios.tcgetwinsize(STDOUT))
