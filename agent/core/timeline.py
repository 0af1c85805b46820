"""A timeline for `simulate`: what happens when, written by hand or printed by `history --json`.

Each entry is an object with `at` and one thing that happens: an alert that is handed in (the keys of `emit`), an
`outage` of a channel or a `silence`, `for` some time, a `kill` of the agent, or `set_clock`. A line of the history is
an entry too. `start` and `end` bound it all. Nothing in it is trusted: what cannot be read is refused, with the number
of the entry.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta, tzinfo

from agent.core.clock import SECOND
from agent.core.facts import HandedIn
from agent.core.handoff import OWN_TYPES, BadHandoff, handed_in
from agent.core.local_time import instant, local, midnight, to_utc
from agent.core.model import Alert, AlertType, Json, Link, Severity, Status
from agent.core.policy.silence import LONGEST
from agent.core.reasons import NEWER
from agent.core.units import parse_duration

BOUNDS = ("start", "end")
EXPECTED_TIME = (
    'a date and time such as "2026-03-28 21:50", a time of day such as "21:50", or "+90m", counted from the start'
)


@dataclass(frozen=True, slots=True)
class Outage:
    """A channel cannot be reached."""

    channel: str
    length: int
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class Kill:
    """The agent ends without a word, and starts again at once."""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A person silences whatever matches, or the alert of this title that fires then."""

    length: int
    """Milliseconds."""
    match: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The node's clock is set."""

    by: int
    """Milliseconds; negative: back."""


Happening = HandedIn | Alert | Outage | Kill | Silenced | ClockSet
"""An `Alert` is the state of one that was recorded."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happens `at` (UTC milliseconds), by a clock that is never set."""

    at: int
    what: Happening


@dataclass(frozen=True, slots=True)
class Timeline:
    """Entries in the order of time; `end` is None where nobody said when to stop."""

    start: int
    entries: tuple[Entry, ...]
    end: int | None = None


class BadTimeline(ValueError):  # noqa: N818 - reads as what it is
    """The timeline cannot be read: which entry and key, what was found, what was expected."""


def parse(text: str, now: int, zone: tzinfo) -> Timeline:
    """Read TOML with `[[event]]` tables, or JSON with one object a line. Raises BadTimeline.

    Times without a zone are meant in `zone`; without any date in it, the timeline happens on the day of `now`.
    """
    bounds, found = _json_lines(text) if text.lstrip().startswith("{") else _toml(text)
    for key in bounds.keys() - set(BOUNDS):
        raise BadTimeline(f"{key}: unknown key, expected start, end or [[event]]")
    start = _start(bounds, found, now, zone)
    entries = sorted(_entries(found, start, zone), key=lambda entry: entry.at)
    end = _when(bounds["end"], "end", start, zone) if "end" in bounds else None
    if entries and entries[0].at < start:
        raise BadTimeline("start: something happens before it, expected the earliest time of all")
    return Timeline(start, tuple(entry for entry in entries if end is None or entry.at <= end), end)


def _toml(text: str) -> tuple[dict[str, Json], list[Json]]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadTimeline(f"neither TOML ({error}) nor one JSON object a line") from None
    found = tables.pop("event", [])
    if not isinstance(found, list):
        raise BadTimeline("event: found a table, expected [[event]]")
    return tables, found


def _json_lines(text: str) -> tuple[dict[str, Json], list[Json]]:
    bounds: dict[str, Json] = {}
    found: list[Json] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadTimeline(f"line {number}: no JSON ({error})") from None
        if isinstance(item, Mapping) and item and item.keys() <= set(BOUNDS):
            bounds |= item
        else:
            found.append(item)
    return bounds, found


def _start(bounds: Mapping[str, Json], found: list[Json], now: int, zone: tzinfo) -> int:
    """The start that is given, else the first date there is, else the beginning of today."""
    today = midnight(local(now, zone).date(), zone)
    if "start" in bounds:
        return _when(bounds["start"], "start", today, zone)
    dated = [_dated(item.get("at", item.get("starts_at")), zone) for item in found if isinstance(item, Mapping)]
    return min((at for at in dated if at is not None), default=today)


def _entries(found: list[Json], start: int, zone: tzinfo) -> Iterator[Entry]:
    for number, item in enumerate(found, 1):
        where = f"event {number}"
        if not isinstance(item, Mapping):
            raise BadTimeline(f"{where}: found no object")
        try:
            if "starts_at" in item:
                yield from _recorded(item, where, zone)
            else:
                yield _written(dict(item), where, start, zone)
        except BadHandoff as error:
            raise BadTimeline(f"{where}, {error}") from None


def _written(item: dict[str, Json], where: str, start: int, zone: tzinfo) -> Entry:
    if "at" not in item:
        raise BadTimeline(f"{where}: without `at`, expected {EXPECTED_TIME}")
    at = _when(item.pop("at"), f"{where}, at", start, zone)
    for name, (others, read) in _HAPPENINGS.items():
        if name in item:
            _only(item, (name, *others), where)
            return Entry(at, read(item, where))
    return Entry(at, handed_in(item))


def _only(item: Mapping[str, Json], keys: tuple[str, ...], where: str) -> None:
    for key in item.keys() - set(keys):
        raise BadTimeline(f"{where}, {key}: unknown key, expected at, {', '.join(keys)}")


def _kill(_: Mapping[str, Json], __: str) -> Happening:
    return Kill()


def _outage(item: Mapping[str, Json], where: str) -> Happening:
    return Outage(str(item["outage"]), _length(item.get("for"), f"{where}, for"))


def _silence(item: Mapping[str, Json], where: str) -> Happening:
    covered, length = item["silence"], _length(item.get("for"), f"{where}, for")
    if not 0 < length <= LONGEST:
        raise BadTimeline(f"{where}, for: found {item['for']!r}, expected more than nothing and at most 30 days")
    if isinstance(covered, str) and covered:
        return Silenced(length, title=covered)
    if not isinstance(covered, Mapping) or not covered:
        expected = 'labels to match such as { node = "gpu-01" }, or the title of an alert'
        raise BadTimeline(f"{where}, silence: found {covered!r}, expected {expected}")
    for key, pattern in covered.items():
        if not isinstance(pattern, str):
            raise BadTimeline(f"{where}, silence.{key}: found {pattern!r}, expected a text")
    return Silenced(length, match=dict(covered))


def _set_clock(item: Mapping[str, Json], where: str) -> Happening:
    by = item["set_clock"]
    if not isinstance(by, str) or by[:1] not in ("+", "-"):
        raise BadTimeline(f'{where}, set_clock: found {by!r}, expected by how much, such as "+1d" or "-90s"')
    length = _length(by[1:], f"{where}, set_clock")
    return ClockSet(length if by[0] == "+" else -length)


_HAPPENINGS: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Json], str], Happening]]] = {
    "kill": ((), _kill),
    "outage": (("for",), _outage),
    "silence": (("for",), _silence),
    "set_clock": ((), _set_clock),
}
"""What happens, by the key that says so, with the keys that stand beside it. Anything else is handed in."""


def _length(value: Json, where: str) -> int:
    try:
        return round(parse_duration(value) * SECOND)
    except ValueError as error:
        raise BadTimeline(f"{where}: {error}") from None


def _when(value: Json, where: str, start: int, zone: tzinfo) -> int:
    """Read a time; a time of day is the first at or after `start`."""
    dated = _dated(value, zone)
    if dated is not None:
        return dated
    if isinstance(value, str) and value.startswith("+"):
        return start + _length(value[1:], where)
    try:
        of_day = value if isinstance(value, time) else time.fromisoformat(str(value))
    except ValueError:
        raise BadTimeline(f"{where}: found {value!r}, expected {EXPECTED_TIME}") from None
    day = local(start, zone).date()
    today = to_utc(day, of_day, zone)
    return today if today >= start else to_utc(day + timedelta(days=1), of_day, zone)


def _dated(value: Json, zone: tzinfo) -> int | None:
    """Read a date and time; None for anything else."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "-" in value else None
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return instant(value) if value.tzinfo is not None else to_utc(value.date(), value.time(), zone)


def _recorded(item: Mapping[str, Json], where: str, zone: tzinfo) -> Iterator[Entry]:
    """What an alert of the history was: its beginning, and its end if it had one."""
    try:
        alert = _alert(item)
        starts_at, ends_at = _dated(item["starts_at"], zone), _dated(item["ends_at"], zone)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadTimeline(f"{where}: cannot be read as a line of `history --json` ({error})") from None
    if alert.type in OWN_TYPES or starts_at is None:
        return
    once = alert.status is Status.EVENT
    begun = replace(alert, starts_at=starts_at, status=alert.status if once else Status.FIRING)
    yield Entry(starts_at, begun)
    if ends_at is not None and not once:
        yield Entry(ends_at, replace(begun, status=Status.RESOLVED, ends_at=ends_at))


def _alert(item: Mapping[str, Json]) -> Alert:
    job = item["job"]
    reasons = [str(row["reason"] or "") for row in item["deliveries"]]
    told_by = [code.partition(":")[2] for code in reasons if code.startswith("superseded_by:")]
    return Alert(
        id=item["id"], type=AlertType(item["type"]), fingerprint=item["fingerprint"], status=Status(item["status"]),
        severity=Severity.parse(item["severity"]), title=item["title"], message=item["message"], starts_at=0,
        labels=dict(item["labels"]), job=job, gpu=item["gpu"], disk=item["disk"], evidence=tuple(item["evidence"]),
        advice=item["advice"], links=tuple(Link(**link) for link in item["links"]),
        job_id=None if job is None else job["id"],
        cause_of=next((target for target in told_by if not target.startswith(NEWER.partition(":")[2])), None),
    )  # fmt: skip
