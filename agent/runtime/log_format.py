"""From a log record to a line: what it says, cleaned, and the two ways to show that. Writes nothing."""

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.core.model import Json

Clean = Callable[[str], str]
"""Takes secrets out of a text."""

_EXCEPTIONS = logging.Formatter()
_PLAIN = re.compile(r"[\w.:/@%+,~-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_BLOCK = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""The same without tab and line feed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record, redacted: every text has been cleaned before it is quoted or escaped in any way."""

    time: str
    """RFC 3339, UTC, milliseconds."""
    level: str
    logger: str
    thread: str
    message: str
    fields: Mapping[str, Json]
    traceback: str | None


def entry_of(record: logging.LogRecord, clean: Clean) -> Entry:
    """Read a record. The fields are those that `log.event` attached."""
    fields: Mapping[str, Json] = getattr(record, "fields", {})
    return Entry(
        time=_timestamp(record.created),
        level=record.levelname.lower(),
        logger=record.name,
        thread=record.threadName or "",
        message=clean(_message(record)),
        fields={name: _cleaned(value, clean) for name, value in fields.items()},
        traceback=_traceback(record, clean),
    )


def as_text(entry: Entry) -> str:
    """`TIME LEVEL logger: message key=value`, with the traceback beneath."""
    fields = "".join(f" {name}={_quoted(value)}" for name, value in entry.fields.items())
    message = _CONTROL.sub(_escape, entry.message)
    line = f"{entry.time} {entry.level.upper():<7} {entry.logger}: {message}{fields}\n"
    if entry.traceback is None:
        return line
    return f"{line}{_CONTROL_IN_BLOCK.sub(_escape, entry.traceback)}\n"


def as_json(entry: Entry) -> str:
    """One JSON object a line; fields stand beside the fixed keys unless they would hide one."""
    fixed = {
        "time": entry.time,
        "level": entry.level,
        "logger": entry.logger,
        "thread": entry.thread,
        "message": entry.message,
    }
    if entry.traceback is not None:
        fixed["traceback"] = entry.traceback
    return json.dumps({**entry.fields, **fixed}, ensure_ascii=False) + "\n"


def _message(record: logging.LogRecord) -> str:
    """The message with its arguments; without them where a caller's format does not fit, so nothing is lost."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} (its arguments do not fit)"


def _traceback(record: logging.LogRecord, clean: Clean) -> str | None:
    if record.exc_info is None or record.exc_info[1] is None:
        return None
    return clean(_EXCEPTIONS.formatException(record.exc_info))


def _cleaned(value: Json, clean: Clean) -> Json:
    """The value with every text in it cleaned; what JSON does not know becomes text first."""
    if isinstance(value, Mapping):
        return {clean(str(key)): _cleaned(item, clean) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned(item, clean) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return clean(str(value))


def _quoted(value: Json) -> str:
    """A value as text: bare if it is one plain word, else as JSON."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"


def _timestamp(seconds: float) -> str:
    whole, milliseconds = divmod(int(seconds * 1_000), 1_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"
