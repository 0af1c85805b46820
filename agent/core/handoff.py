"""What others hand in: the files of the spool and the body of the HTTP trigger, checked and turned into facts.

Nothing in it is trusted. Texts are cleaned and cut, since a long message should not cost the alert; whatever carries
identity or meaning is refused instead, and the error says what was expected.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from agent.core import text
from agent.core.codec import encode
from agent.core.facts import HandedIn, ProcessEnded, ProcessStarted
from agent.core.job import JobState
from agent.core.model import TYPES, AlertType, Json, Severity, Status
from agent.core.payload import JOB_KEYS

Handoff = HandedIn | ProcessStarted | ProcessEnded
"""The facts that may be handed in."""

MAX_BYTES = 64 * 1024
"""The size of one hand-in, by the contract."""
TITLE, MESSAGE, LINE = 200, 4_000, 500
"""Characters kept of a title, a message and any other text."""
ENTRIES = 32
"""Labels, fields or GPUs in one hand-in."""

OWN_TYPES = frozenset({AlertType.DAILY_SUMMARY, AlertType.WEEKLY_DIGEST})
"""Types that only the agent itself makes."""
TAKEN_TYPES = tuple(kind for kind in AlertType if kind not in OWN_TYPES)

Check = Callable[[Json, str], Json]
"""Takes a value and the key path it stands at; returns it cleaned, or raises BadHandoff."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_LARGEST = 2**63 - 1


class BadHandoff(ValueError):  # noqa: N818 - reads as what it is
    """What was handed in cannot be taken: what was found, where (a key path, or a file's name), what was expected."""

    def __init__(self, what: str, where: str, expected: str) -> None:
        super().__init__(f"{where}: {what}, expected {expected}")
        self.what, self.where, self.expected = what, where, expected


def parse(data: bytes, uid: int, name: str) -> Handoff:
    """Read one spool file, called `name`, that belongs to user `uid`. Raises BadHandoff."""
    body = _object(_json(data, name), name)
    kind = body.pop("kind", HandedIn.__name__)
    if kind == ProcessStarted.__name__:
        return ProcessStarted(**_keys(body, "", _STARTED, needs=_STARTED_NEEDS), uid=uid)
    if kind == ProcessEnded.__name__:
        return ProcessEnded(**_keys(body, "", _ENDED, needs=_ENDED_NEEDS), uid=uid)
    if kind == HandedIn.__name__:
        return handed_in(body, uid)
    raise BadHandoff(f"found {_shown(kind)}", "kind", "HandedIn, ProcessStarted or ProcessEnded")


def handed_in(body: Json, uid: int | None = None) -> HandedIn:
    """Read what `emit` and the HTTP trigger give:

    `{"type", "status", "job": {…}, "severity", "title", "message", "fields", "labels"}`; only `type` must be there.
    Raises BadHandoff.
    """
    found = _keys(_object(body, "the event"), "", _HANDED_IN, needs=("type",))
    kind = found["type"]
    traits = TYPES[kind]
    status = found.pop("status", None) or (Status.FIRING if traits.condition else Status.EVENT)
    if traits.condition == (status is Status.EVENT):
        expected = "firing or resolved, as it is a condition" if traits.condition else "event, as it happens once"
        raise BadHandoff(f"found {status} for {kind}", "status", expected)
    severity = found.pop("severity", None) or traits.severity
    return HandedIn(**found, status=status, severity=severity, uid=uid)


def write(fact: Handoff) -> bytes:
    """Make the spool file for a fact; the owner of the file stands for `uid`. Raises BadHandoff if it is too large."""
    body = {"kind": type(fact).__name__, **encode(replace(fact, uid=None))}
    if isinstance(fact, HandedIn):
        body["severity"] = str(fact.severity)
    data = json.dumps(body, allow_nan=False).encode("ascii")
    if len(data) > MAX_BYTES:
        raise BadHandoff(f"{len(data)} bytes", "the event", f"at most {MAX_BYTES}")
    return data


def _json(data: bytes, name: str) -> Json:
    expected = "one JSON object in UTF-8"
    if len(data) > MAX_BYTES:
        raise BadHandoff("too large", name, f"at most {MAX_BYTES} bytes")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise BadHandoff("nested too deeply", name, expected) from None
    except ValueError as error:
        raise BadHandoff(f"no JSON ({error})", name, expected) from None


def _no_number(constant: str) -> Json:
    raise ValueError(f"{constant} is no JSON number")


def _object(value: Json, where: str) -> dict[str, Json]:
    if not isinstance(value, Mapping):
        raise BadHandoff(f"found {_shown(value)}", where, "a JSON object")
    return dict(value)


def _keys(
    body: Mapping[str, Json], where: str, checks: Mapping[str, Check], needs: tuple[str, ...] = ()
) -> dict[str, Json]:
    """Check every key of an object. What is null counts as absent."""
    path = f"{where}." if where else ""
    for key in body:
        if key not in checks:
            raise BadHandoff("unknown key", f"{path}{text.cut(_clean(key), LINE)}", f"one of {', '.join(checks)}")
    for key in needs:
        if body.get(key) is None:
            raise BadHandoff("missing", f"{path}{key}", "a value")
    return {key: checks[key](value, f"{path}{key}") for key, value in body.items() if value is not None}


def _shown(value: Json) -> str:
    """Show a refused value shortly, as JSON."""
    if isinstance(value, (Mapping, list)):
        return "an object" if isinstance(value, Mapping) else "a list"
    return text.cut(_clean(json.dumps(value)), 60)


def _clean(value: str) -> str:
    return " ".join(text.strip_controls(value).split())


def _string(value: Json, where: str) -> str:
    if not isinstance(value, str):
        raise BadHandoff(f"found {_shown(value)}", where, "a text")
    return value


def _line(limit: int) -> Check:
    return lambda value, where: text.cut(_clean(_string(value, where)), limit)


def _prose(value: Json, where: str) -> str:
    return text.cut(text.strip_controls(_string(value, where)), MESSAGE)


def _exact(value: Json, where: str) -> str:
    """A text that names something, so that it may not be changed."""
    if not _string(value, where) or len(value) > LINE or value != _clean(value):
        raise BadHandoff(f"found {_shown(value)}", where, f"1 to {LINE} printable characters in one line")
    return str(value)


def _path(value: Json, where: str) -> str:
    if not _string(value, where).startswith("/") or "\0" in value or len(value) > 4096:  # noqa: PLR2004 - PATH_MAX
        raise BadHandoff(f"found {_shown(value)}", where, "an absolute path")
    return str(value)


def _whole(low: int, high: int = _LARGEST) -> Callable[[Json, str], int]:
    def check(value: Json, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadHandoff(f"found {_shown(value)}", where, f"a whole number from {low} to {high}")
        return value

    return check


def _number(value: Json, where: str) -> float:
    if isinstance(value, int):
        return _whole(-_LARGEST)(value, where)
    if not isinstance(value, float) or not math.isfinite(value):
        raise BadHandoff(f"found {_shown(value)}", where, "a finite number")
    return value


def _flag(value: Json, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadHandoff(f"found {_shown(value)}", where, "true or false")
    return value


def _one_of(kind: Callable[[str], Json], allowed: tuple[str, ...]) -> Check:
    def check(value: Json, where: str) -> Json:
        if value not in allowed:
            raise BadHandoff(f"found {_shown(value)}", where, f"one of {', '.join(allowed)}")
        return kind(value)

    return check


def _moment(value: Json, where: str) -> str:
    try:
        aware = datetime.fromisoformat(_string(value, where)).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise BadHandoff(f"found {_shown(value)}", where, "an RFC 3339 time with its zone")
    return str(value)


def _texts(value: Json, where: str) -> dict[str, str]:
    """Labels and fields: names that Prometheus takes too, with texts."""
    found = _object(value, where)
    if len(found) > ENTRIES:
        raise BadHandoff(f"{len(found)} entries", where, f"at most {ENTRIES}")
    for name in found:
        if not _NAME.fullmatch(name):
            raise BadHandoff(f"the name {_shown(name)}", where, "letters, digits and _, not a digit first, at most 64")
    return {name: _line(LINE)(item, f"{where}.{name}") for name, item in found.items()}


def _gpus(value: Json, where: str) -> list[Json]:
    if not isinstance(value, list) or len(value) > ENTRIES:
        raise BadHandoff(f"found {_shown(value)}", where, f"a list of at most {ENTRIES} GPUs")
    return [(_exact if isinstance(item, str) else _whole(0))(item, f"{where}[{n}]") for n, item in enumerate(value)]


def _job(value: Json, where: str) -> dict[str, Json]:
    return _keys(_object(value, where), where, _JOB)


_NUMBERS: Mapping[str, Check] = {
    "attempt": _whole(1), "step": _whole(0), "total_steps": _whole(0), "exit_code": _whole(0, 255),
    "duration_seconds": _number, "epoch": _number, "loss": _number,
}  # fmt: skip
_JOB: Mapping[str, Check] = {
    **{key: _line(LINE) for key in JOB_KEYS},
    **_NUMBERS,
    "id": _exact,
    "state": _one_of(str, tuple(JobState)),
    "verified": _flag,
    "started_at": _moment,
    "gpus": _gpus,
}
_HANDED_IN: Mapping[str, Check] = {
    "type": _one_of(AlertType, TAKEN_TYPES),
    "status": _one_of(Status, tuple(Status)),
    "job": _job,
    "severity": _one_of(Severity.parse, tuple(str(severity) for severity in Severity)),
    "title": _line(TITLE),
    "message": _prose,
    "fields": _texts,
    "labels": _texts,
}
_PROCESS: Mapping[str, Check] = {"boot_id": _exact, "pid": _whole(1), "start_ticks": _whole(0)}
_STARTED_NEEDS = (*_PROCESS, "started_at", "name", "command")
_STARTED: Mapping[str, Check] = {
    **_PROCESS, "started_at": _whole(0), "name": _line(TITLE), "command": _line(TITLE), "log": _path,
    "log_offset": _whole(0), "wrapper_pid": _whole(1), "pid_namespace": _whole(0),
}  # fmt: skip
_ENDED_NEEDS = (*_PROCESS, "ended_at")
_ENDED: Mapping[str, Check] = {
    **_PROCESS, "ended_at": _whole(0), "exit_code": _whole(0, 255), "signal": _exact, "reported": _flag,
}  # fmt: skip
