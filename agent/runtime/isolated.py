"""Runs any source in a child process, for whatever may hang so that nothing can end it: drivers, network mounts.

A child past its deadline is given up: asked to end, then killed, and replaced. One that even SIGKILL does not end
(it waits inside the kernel) is left alone; it holds nothing of the agent's, so the agent ends and starts without it.
"""

import json
import logging
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.core.clock import Clock, Instant
from agent.core.model import Json
from agent.core.ports import Reading, Unavailable
from agent.core.text import strip_controls
from agent.runtime.log import event
from agent.runtime.reading_json import from_json

START_WITHIN = 20.0
"""Seconds that a child may take to be ready: Python and its imports, on a node under load."""
END_WITHIN = 1.0
"""Seconds between asking a child to end and killing it, and until it is gone then."""
ANSWER_AT_MOST = 64 << 20
"""Bytes of one answer; more is garbage."""
WORDS_KEPT = 1_000
"""Characters of what a child last wrote to its standard error."""
RESTART_FIRST, RESTART_AT_MOST = 1.0, 60.0
"""Seconds before a child that ended by itself is started again; doubled each time."""

_log = logging.getLogger(__name__)


class ChildFailed(Exception):  # noqa: N818 - what became of it
    """A child ended, answered garbage, or its source raised; the text says which."""


class ChildHung(Exception):  # noqa: N818 - a state of the world
    """A child did not answer in time. `note`: what it was about to do, if it said so."""

    def __init__(self, text: str, note: str | None) -> None:
        super().__init__(text)
        self.note = note


@dataclass(frozen=True, slots=True)
class Isolation:
    """What runs in the child: `factory` as `module:name`, called with settings and the parent's `Outside`."""

    name: str
    factory: str
    settings: Json
    interval: float
    deadline: float
    """Seconds for one look."""
    one_stuck: bool = True
    """Whether no other child is started while one that cannot be ended waits in the kernel."""
    ends_within: float = END_WITHIN
    """Seconds that a child has to end when asked. A GPU driver's client must not be killed casually: that froze GPUs
    until a reboot (NVIDIA/dcgm-exporter#84)."""


class Child:
    """One child process and the lines exchanged with it."""

    def __init__(self, isolation: Isolation, clock: Clock) -> None:
        """Start it and wait until it is ready. Raises ChildFailed."""
        self.note: str | None = None
        self._name = isolation.name
        self._ends_in = isolation.ends_within
        self._clock = clock
        self._words = ""
        self._unread = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agent.runtime.isolated_child", isolation.factory, json.dumps(isolation.settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environ(),
            cwd="/", start_new_session=True, close_fds=True, bufsize=0,
        )  # fmt: skip
        self._selector = selectors.DefaultSelector()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)
        try:
            self._receive(START_WITHIN)
        except ChildHung:
            self.end()
            raise ChildFailed(f"the child of {self._name} was not ready within {START_WITHIN:.0f} s") from None
        except ChildFailed:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def ask(self, request: Mapping[str, Json], deadline: float) -> Mapping[str, Json]:
        """Hand a request over and await the answer. Raises ChildFailed or ChildHung."""
        self.note = None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise ChildFailed(self._last_words()) from None
        return self._receive(deadline)

    def end(self) -> None:
        """Let it go: its input ends, it is asked to end, and killed if it does not. Never waits long."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._selector.close()
        self._process.terminate()
        if not self._ends_within(self._ends_in):
            self._process.kill()
            self._ends_within(END_WITHIN)

    def _ends_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _receive(self, deadline: float) -> Mapping[str, Json]:
        until = self._clock.now().monotonic + deadline
        while True:
            line, found, rest = self._unread.partition(b"\n")
            if found:
                self._unread = rest
                answer = self._parsed(line)
                if "note" not in answer:
                    return answer
                self.note = str(answer["note"])
            else:
                self._await(until, deadline)

    def _await(self, until: float, deadline: float) -> None:
        """Read what comes next. Raises ChildHung past the deadline, ChildFailed at the end of the child."""
        left = until - self._clock.now().monotonic
        ready = self._selector.select(left) if left > 0 else []
        if not ready:
            raise ChildHung(f"the child of {self._name} has not answered for {deadline:.0f} s", self.note)
        for key, _ in ready:
            data = os.read(key.fd, 65_536)
            if key.fileobj is self._process.stderr:
                self._hear(data)
                if not data:
                    self._selector.unregister(key.fileobj)
            elif data:
                self._unread += data
            else:
                raise ChildFailed(self._last_words())
        if len(self._unread) > ANSWER_AT_MOST:
            raise ChildFailed(f"the child of {self._name} answered more than {ANSWER_AT_MOST} bytes")

    def _hear(self, data: bytes) -> None:
        self._words = (self._words + data.decode("utf-8", "replace"))[-WORDS_KEPT:]

    def _parsed(self, line: bytes) -> Mapping[str, Json]:
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ChildFailed(f"the child of {self._name} answered garbage: {line[:80]!r}")
        return answer

    def _last_words(self) -> str:
        self._ends_within(END_WITHIN)
        assert self._process.stderr is not None
        self._hear(self._process.stderr.read() or b"")
        status = self._process.poll()
        event(_log, logging.ERROR, "a child ended", source=self._name, words=strip_controls(self._words))
        words = strip_controls(self._words.strip().rpartition("\n")[2])
        return f"the child of {self._name} ended" + (f" ({status})" if status else "") + (f": {words}" if words else "")


class Isolated:
    """Implements `core.ports.Source` for a source in a child. `wishes` are sent with every request."""

    def __init__(
        self, isolation: Isolation, clock: Clock, wishes: Callable[[], Mapping[str, Json]] = dict
    ) -> None:
        self.name = isolation.name
        self.interval = isolation.interval
        self.isolation = isolation
        self._clock = clock
        self._wishes = wishes
        self._checkpoint: dict[str, Json] = {}
        self._child: Child | None = None
        self._left: list[Child] = []
        """Children that were given up and have not ended yet."""
        self._restart_at = float("-inf")
        self._restart_after = RESTART_FIRST

    @property
    def started(self) -> bool:
        """Whether a child runs."""
        return self._child is not None

    @property
    def left(self) -> Sequence[int]:
        """The pids of children that were given up and still wait inside the kernel."""
        self._left = [child for child in self._left if not child.gone]
        return [child.pid for child in self._left]

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Keep the checkpoint for the child, and for each that replaces it."""
        self._checkpoint = dict(checkpoint)

    def read(self, now: Instant) -> Reading:
        """Let the child look. Raises Unavailable, ChildHung or ChildFailed."""
        child = self._running(now)
        wall, monotonic = now.wall, now.monotonic
        request = {"read": {"wall": wall, "monotonic": monotonic}, "wishes": dict(self._wishes())}
        try:
            answer = child.ask(request, self.isolation.deadline)
            reading = self._reading(answer)
        except (ChildHung, ChildFailed):
            self._give_up(now)
            raise
        self._restart_after = RESTART_FIRST
        self._checkpoint = {**self._checkpoint, **reading.checkpoint}
        self._checkpoint = {key: value for key, value in self._checkpoint.items() if value is not None}
        return reading

    def committed(self) -> None:
        """Pass on that everything returned so far is stored."""
        if self._child is not None:
            self._child.ask({"committed": True}, self.isolation.deadline)

    def close(self) -> None:
        """Let the child go."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _running(self, now: Instant) -> Child:
        if self._child is None:
            if self.isolation.one_stuck and self.left:
                raise Unavailable(f"the child of {self.name} waits in the kernel and cannot be ended")
            if now.monotonic < self._restart_at:
                raise Unavailable(f"the child of {self.name} is started again shortly")
            self._child = Child(self.isolation, self._clock)
            self._child.ask({"restore": self._checkpoint}, self.isolation.deadline)
        return self._child

    def _reading(self, answer: Mapping[str, Json]) -> Reading:
        if "unavailable" in answer:
            raise Unavailable(str(answer["unavailable"]))
        try:
            return from_json(answer["reading"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ChildFailed(f"the child of {self.name} answered no reading: {error}") from None

    def _give_up(self, now: Instant) -> None:
        """Replace the child at the next look; after failures in a row not at once."""
        child, self._child = self._child, None
        if child is not None:
            child.end()
            if not child.gone:
                event(_log, logging.WARNING, "a child cannot be ended", source=self.name, pid=child.pid)
                self._left.append(child)
        self._restart_at = now.monotonic + self._restart_after
        self._restart_after = min(2 * self._restart_after, RESTART_AT_MOST)


def _environ() -> dict[str, str]:
    """The parent's environment, with the place that this package was imported from."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
