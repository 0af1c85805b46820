"""The doorbell: how one thread, or a signal handler, wakes another that waits. It carries no message."""

import contextlib
import errno
import math
import os
import select
import threading
from collections.abc import Collection

_RING = (1).to_bytes(8, "little")
"""What a ring writes; an eventfd takes exactly eight bytes, a pipe any number."""
_PIPE_BYTES = 65_536
"""Enough to empty a pipe at one go; an eventfd gives its eight bytes."""


class Bell:
    """Wakes one waiting thread. Rings before the wait count; many rings before it count as one.

    Close it only when nobody waits on it any more; a ring after that does nothing.
    """

    def __init__(self) -> None:
        self._reader, self._writer = _descriptors()
        # A signal handler may ring while its own thread is inside `ring`, hence reentrant.
        self._lock = threading.RLock()
        self._closed = False

    def ring(self) -> None:
        """Wake whoever waits. Never blocks; for any thread and for signal handlers."""
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(BlockingIOError):  # full of rings already
                os.write(self._writer, _RING)

    def wait(self, timeout_s: float | None, also: Collection[int] = ()) -> None:
        """Return when rung, when one of the descriptors `also` is readable, or after `timeout_s` seconds.

        None waits without end. Raises OSError (EBADF) if one of the descriptors is not open, since waiting for it
        would return at once for ever.
        """
        poll = select.poll()
        for descriptor in (self._reader, *also):
            poll.register(descriptor, select.POLLIN)
        ready = poll.poll(None if timeout_s is None else math.ceil(max(timeout_s, 0.0) * 1_000))
        for descriptor, events in ready:
            if events & select.POLLNVAL:
                raise OSError(errno.EBADF, f"descriptor {descriptor} to wait for is not open")
            if descriptor == self._reader:
                self._clear()

    def close(self) -> None:
        """Give the descriptors back."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for descriptor in {self._reader, self._writer}:
                    os.close(descriptor)

    def _clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, _PIPE_BYTES)


def _descriptors() -> tuple[int, int]:
    """A reading and a writing end that never block; one and the same where the kernel has eventfd."""
    if hasattr(os, "eventfd"):
        both = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return both, both
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer
