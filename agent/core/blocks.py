"""Errors that take several lines: Python tracebacks and torchrun's summary, put together line by line.

A block is handed the lines that follow the one that began it, from the same writer. It never keeps more than a few.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from agent.core.model import Json

CONTEXT_FRAMES = 2
CONTEXT_LENGTH = 300
"""Characters of a line of context that are kept."""
LINES_AT_MOST = 4_000
"""A longer block is cut: the deepest tracebacks seen, of compilers, have about a thousand frames."""
NOISE_AT_MOST = 20
"""Lines of other writers that may stand between the lines of a block."""


class Step(Enum):
    """What a block did with a line."""

    TAKEN = auto()
    FOREIGN = auto()
    """The line is another's; the block goes on."""
    ENDED = auto()
    """The line completed the block."""
    CUT = auto()
    """The block ended before this line, incomplete."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a block says: its one-line text, lines worth showing, and facts."""

    text: str
    context: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


class Block(Protocol):
    """Several lines that mean one thing."""

    def take(self, text: str) -> Step:
        """Look at the next line."""
        ...

    def told(self) -> Told:
        """Sum up what was seen so far."""
        ...


_HEADER = "Traceback (most recent call last)"
_FRAME = re.compile(r'File "(?P<file>[^"]{1,1024})", line (?P<line>\d{1,9})(?:, in (?P<function>.{1,255}))?$')
_EXCEPTION = re.compile(
    r"(?P<name>(?:[A-Za-z_]\w{0,127}\.){0,16}(?:_{0,4}[A-Z]\w{0,127}|error|timeout))(?::(?=\s|$)|$)"
)
_BAR = re.compile(r"\d%\|| \[\d\d:\d\d<")
_MARKS = frozenset("~^ ")
_MARGIN = " \t│|"
"""Before the lines of a traceback in a rich box or an exception group."""


class Traceback:
    """A Python traceback: frames, each with its code, then the line of the exception."""

    def __init__(self, opening: str) -> None:
        self._in_thread = "thread" in opening
        self._opening = opening[:CONTEXT_LENGTH]
        self._lines = self._noise = 0
        self._frames: list[list[str]] = []
        self._outermost: str | None = None
        self._place: re.Match[str] | None = None
        self._code_next = False
        self._error: str | None = None
        self._exception: str | None = None

    def take(self, text: str) -> Step:
        """Look at the next line; the exception's line ends the block."""
        self._lines += 1
        body = text.strip(_MARGIN)
        frame = _FRAME.match(body)
        if frame is not None:
            return self._enter(frame, body)
        if not body or _MARKS.issuperset(body):
            return Step.TAKEN
        if self._lines > LINES_AT_MOST or (_HEADER in text and self._frames):
            return Step.CUT
        exception = None if text[0] in _MARGIN else _EXCEPTION.match(body)
        if self._frames and exception is not None:
            self._error, self._exception = text, exception["name"]
            return Step.ENDED
        return self._body(text, body)

    def _enter(self, frame: re.Match[str], body: str) -> Step:
        self._outermost = self._outermost or frame["function"] or "?"
        self._place = frame
        self._frames = [*self._frames[1 - CONTEXT_FRAMES :], [body[:CONTEXT_LENGTH]]]
        self._code_next, self._noise = True, 0
        return Step.TAKEN

    def _body(self, text: str, body: str) -> Step:
        if _BAR.search(body):
            return self._foreign()
        if self._code_next:
            self._frames[-1].append("  " + body[: CONTEXT_LENGTH - 2])
            self._code_next = False
            return Step.TAKEN
        if text[0] in _MARGIN or body.startswith("[Previous line repeated") or _HEADER in text:
            return Step.TAKEN
        return self._foreign()

    def _foreign(self) -> Step:
        self._noise += 1
        return Step.FOREIGN if self._noise <= NOISE_AT_MOST else Step.CUT

    def told(self) -> Told:
        """The exception's line, with the innermost frames before it as context."""
        facts: dict[str, Json] = {}
        if self._exception is not None:
            facts["exception"] = self._exception
        if self._place is not None:
            facts["where"] = f"{self._place['file']}:{self._place['line']}"
        if self._outermost == "<module>" and not self._in_thread:
            facts["uncaught"] = True
        context = [line for frame in self._frames for line in frame]
        if self._error is not None:
            context.append(self._error[:CONTEXT_LENGTH])
        return Told(self._error or self._opening, tuple(context), facts)


_RULE = re.compile(r"[=\-*]{20,}$")
_FIELD = re.compile(r"\s+(?P<name>time|host|rank|exitcode|error_file|traceback|msg)\s*: ?(?P<value>.*)$")
_ENTRY = re.compile(r"\[\d{1,7}\]:$")
_WORDS = ("Failures:", "Other Failures:", "<NO_OTHER_FAILURES>")


class Summary:
    """torchrun's `ChildFailedError` block: what failed, and which worker was the first."""

    def __init__(self, opening: str) -> None:
        self._opening = opening.strip()
        self._script: str | None = None
        self._in_root = False
        self._fields: dict[str, str] = {}
        self._last = ""
        self._lines = self._noise = 0

    def take(self, text: str) -> Step:
        """Look at the next line; the rule after the root cause ends the block."""
        self._lines += 1
        body = text.strip()
        if self._lines > LINES_AT_MOST or (body.endswith("ChildFailedError:") or body.startswith(_HEADER)):
            return Step.CUT
        if _RULE.match(body):
            return Step.ENDED if self._in_root and self._fields else Step.TAKEN
        if body.startswith("Root Cause"):
            self._in_root = True
        elif body.endswith(" FAILED") and self._script is None:
            self._script = body.removesuffix(" FAILED")[-CONTEXT_LENGTH:]
        elif text[:1] == " ":
            self._indented(text, body)
        elif body and not _ENTRY.match(body) and body not in _WORDS:
            self._noise += 1
            return Step.FOREIGN if self._noise <= NOISE_AT_MOST else Step.CUT
        return Step.TAKEN

    def _indented(self, text: str, body: str) -> None:
        if not self._in_root or not body:
            return
        found = _FIELD.match(text)
        if found:
            self._fields.setdefault(found["name"], found["value"][:CONTEXT_LENGTH])
        self._last = found["value"] if found else body

    def told(self) -> Told:
        """One line that names the script, the first worker to fail and how it ended, from the block's own words."""
        parts = ["ChildFailedError"]
        if self._script is not None:
            parts[0] += f": {self._script} FAILED"
        shown = [name for name in ("rank", "exitcode") if name in self._fields]
        parts += [f"{name} {self._fields[name].replace('pid: ', 'pid ')}" for name in shown]
        reason = self._last if "traceback" in self._fields or "msg" in self._fields else ""
        if reason and "To enable traceback" not in reason:
            parts.append(reason[:CONTEXT_LENGTH])
        facts: dict[str, Json] = {name: self._fields[name] for name in ("host", "time") if name in self._fields}
        if "exitcode" not in self._fields:
            facts["cut"] = True
        return Told(", ".join(parts), (), facts)


BLOCKS: Mapping[str, Callable[[str], Block]] = {"traceback": Traceback, "torchrun": Summary}
"""The shapes that a signature may name. Each is begun with the line that the signature recognised."""
