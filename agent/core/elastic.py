"""torchrun's summary of what failed, put together line by line."""

import re

from agent.core.block import CONTEXT_LENGTH, LINES_AT_MOST, NOISE_AT_MOST, Step, Told
from agent.core.model import Json

_HEADER = "Traceback (most recent call last)"
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
        self._others: dict[str, str] = {}
        self._last = ""
        self._complete = False
        self._lines = self._noise = 0

    def take(self, text: str) -> Step:
        """Look at the next line; the rule after the root cause ends the block."""
        self._lines += 1
        body = text.strip()
        if self._lines > LINES_AT_MOST or (body.endswith("ChildFailedError:") or body.startswith(_HEADER)):
            return Step.CUT
        if _RULE.match(body):
            self._complete = self._in_root and bool(self._fields)
            return Step.ENDED if self._complete else Step.TAKEN
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
        found = _FIELD.match(text)
        if found:
            fields = self._fields if self._in_root else self._others
            fields.setdefault(found["name"], found["value"][:CONTEXT_LENGTH])
        if not self._in_root or not body:
            return
        self._last = found["value"] if found else body

    def told(self) -> Told:
        """One line that names the script, the first worker to fail and how it ended, from the block's own words.

        Where the root cause was cut off, the first of the others stands in for it.
        """
        fields = self._fields if "exitcode" in self._fields else self._fields | self._others
        parts = ["ChildFailedError"]
        if self._script is not None:
            parts[0] += f": {self._script} FAILED"
        shown = [name for name in ("rank", "exitcode") if name in fields]
        parts += [f"{name} {fields[name].replace('pid: ', 'pid ')}" for name in shown]
        reason = self._last if "traceback" in fields or "msg" in fields else ""
        if reason and "To enable traceback" not in reason:
            parts.append(reason[:CONTEXT_LENGTH])
        facts: dict[str, Json] = {name: fields[name] for name in ("host", "time") if name in fields}
        if not self._complete:
            facts["cut"] = True
        return Told(", ".join(parts), (), facts)
