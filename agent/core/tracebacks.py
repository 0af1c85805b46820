"""Python tracebacks, put together line by line: as Python prints them, in boxes of rich, and as notebooks show them."""

import re

from agent.core.block import CONTEXT_LENGTH, LINES_AT_MOST, NOISE_AT_MOST, Step, Told
from agent.core.model import Json

CONTEXT_FRAMES = 2
HEADER = "Traceback (most recent call last)"
PREFIX_AT_MOST = 120
"""Characters before the header that may stand before every line: what a launcher or logger puts there."""

_FRAME = re.compile(r'File "(?P<file>[^"]{1,1024})", line (?P<line>\d{1,9})(?:, in (?P<function>.{1,255}))?$')
_BOXED = re.compile(
    r"(?P<file>(?:/|[A-Za-z]:\\|~|\S{0,255}\.py)[^:]{0,1000}):(?P<line>\d{1,9}) in (?P<function>\S{1,255})$"
)
_CELL = re.compile(r"(?:File |Cell |<ipython-input|[~/]|[A-Za-z]:\\).{0,400}? in (?P<function>[^\s(]{1,255})")
"""How notebooks name the place of a frame."""
_EXCEPTION = re.compile(
    r"(?P<name>(?:[A-Za-z_]\w{0,127}\.){1,16}(?:_{0,4}[A-Z]\w{0,127}|error|timeout)"
    r"|\w{0,127}(?:Error|Exception|Interrupt|Exit|StopIteration|StopAsyncIteration|Warning|Group|error|timeout))"
    r"(?:\(\w{1,127}\))?(?::(?=\s|$)|$)"
)
_NOTEBOOK = re.compile(r"(?P<name>[A-Za-z_][\w.]{0,127})\s{2,200}$")
"""What stands before the header in a notebook: the exception's name and space."""
_BAR = re.compile(r"\d%\|| \[\d\d:\d\d<")
_MARKS = frozenset("~^ ")
_MARGIN = " \t│|"
"""Before the lines of a traceback in a rich box or an exception group."""
_BOX = "╭╰─"

OUTERMOST = frozenset({"<module>", "_run_module_as_main", "_run_code", "_bootstrap", "_wrap", "spawn_main", "_main"})
"""Functions in which the main thread of a program, or of a worker process, begins: what leaves them ends it."""


class Traceback:
    """A Python traceback: frames, each with its code, then the line of the exception."""

    def __init__(self, opening: str) -> None:
        before = opening.partition(HEADER)[0] if HEADER in opening else ""
        notebook = _NOTEBOOK.search(before)
        self._in_thread = "thread" in opening
        self._opening = opening[:CONTEXT_LENGTH]
        self._named = notebook["name"] if notebook else None
        self._prefix = None if notebook else _repeated(before)
        self._lines = self._noise = 0
        self._frames: list[list[str]] = []
        self._outermost: str | None = None
        self._place: re.Match[str] | None = None
        self._code_next = False
        self._error: str | None = None
        self._exception: str | None = None
        if HEADER not in opening:
            self.take(opening)

    def take(self, text: str) -> Step:
        """Look at the next line; the exception's line ends the block."""
        self._lines += 1
        prefix = self._prefix.match(text) if self._prefix is not None else None
        text = text[prefix.end() :] if prefix is not None else text
        body = text.strip(_MARGIN)
        frame = _FRAME.match(body) or _BOXED.match(body) or (_CELL.match(body) if self._named else None)
        if frame is not None:
            return self._enter(frame, body)
        if not body or _MARKS.issuperset(body) or body[0] in _BOX:
            return Step.TAKEN
        if self._lines > LINES_AT_MOST or (HEADER in text and self._frames):
            return Step.CUT
        if (self._frames or self._named) and self._ends(text, body):
            return Step.ENDED
        return Step.TAKEN if self._named else self._body(text, body)

    def _ends(self, text: str, body: str) -> bool:
        exception = None if text[0] in _MARGIN else _EXCEPTION.match(body)
        if exception is None:
            return False
        if self._named is not None and exception["name"].rpartition(".")[2] != self._named.rpartition(".")[2]:
            return False
        self._error, self._exception = text, exception["name"]
        return True

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
        if text[0] in _MARGIN or body.startswith("[Previous line repeated") or HEADER in text:
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
        if self._place is not None and "file" in self._place.groupdict():
            facts["where"] = f"{self._place['file']}:{self._place['line']}"
        if self._in_thread or self._error is None or not (self._outermost in OUTERMOST or self._named):
            facts["perhaps_caught"] = True
        else:
            facts["uncaught"] = True
        context = [line for frame in self._frames for line in frame] or ([self._opening] if self._named else [])
        if self._error is not None:
            context.append(self._error[:CONTEXT_LENGTH])
        return Told(self._error or self._opening, tuple(context), facts)


def _repeated(before: str) -> re.Pattern[str] | None:
    """What a launcher or logger puts before every line, as a pattern in which only the numbers may differ."""
    if not before or len(before) > PREFIX_AT_MOST or _BAR.search(before):
        return None
    return re.compile(re.sub(r"\d+", r"\\d{1,20}", re.escape(before).replace("\\ ", " ")))
