"""The agent's own log: one line a record on standard error, as text or JSON, redacted, and never in anybody's way.

Records are rendered and redacted by the thread that logs and written by a thread of their own, so a terminal or a
pipe that blocks costs log lines (counted), never an alert.
"""

import logging
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import TextIO

from agent.core.model import Json
from agent.runtime.log_format import Clean, Entry, as_json, as_text, entry_of

OWN = "agent"
"""The logger above all of ours; those of libraries stay at warnings, since they log addresses and headers."""
QUEUE_SIZE = 10_000
CLOSE_TIMEOUT = 2.0
"""Seconds to wait for the last lines at the end."""


class Format(StrEnum):
    """How a record is shown."""

    TEXT = "text"
    JSON = "json"


def event(
    logger: logging.Logger, level: int, message: str, /, *, error: BaseException | None = None, **fields: Json
) -> None:
    """Log a constant sentence with its details as fields; `error` adds a traceback."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", message, exc_info=error, extra={"fields": fields}, stacklevel=2)


class LogHandle:
    """The log while it is set up. `close` writes what is left and gives the root logger back."""

    def __init__(self, handler: "QueuedHandler") -> None:
        self._handler = handler

    @property
    def dropped(self) -> int:
        """Lines that could not be written since the start."""
        return self._handler.dropped

    def set_level(self, level: str) -> None:
        """Change the level of our own loggers: debug, info, warning or error."""
        logging.getLogger(OWN).setLevel(level.upper())

    def close(self) -> None:
        """Write what waits, for at most `CLOSE_TIMEOUT` seconds. Later records are lost."""
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()


def setup(level: str, form: Format, clean: Clean, stream: TextIO | None = None) -> LogHandle:
    """Send every record of this process to `stream` (standard error), redacted by `clean`."""
    render = as_json if form is Format.JSON else as_text
    handler = QueuedHandler(render, clean, stream or sys.stderr)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.addHandler(handler)
    handle = LogHandle(handler)
    handle.set_level(level)
    return handle


class QueuedHandler(logging.Handler):
    """Renders at once, writes later."""

    def __init__(
        self, render: Callable[[Entry], str], clean: Clean, stream: TextIO, size: int = QUEUE_SIZE
    ) -> None:
        super().__init__()
        self._render = render
        self._clean = clean
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(size)
        self._unqueued = 0
        self._unwritten = 0
        self._writer = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._writer.start()

    @property
    def dropped(self) -> int:
        """Lines that found the queue full or could not be written."""
        return self._unqueued + self._unwritten

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line. Called with the handler's lock held."""
        try:
            self._lines.put_nowait(self._render(entry_of(record, self._clean)))
        except queue.Full:
            self._unqueued += 1

    def close(self) -> None:
        """End the writing thread once it has written what waits."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=CLOSE_TIMEOUT)
        self._writer.join(CLOSE_TIMEOUT)
        super().close()

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError):  # a reader that has gone, a disk that is full, a closed stream
                self._unwritten += 1
