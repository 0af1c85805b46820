"""Readings of a source as JSON, between a child process and its parent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from agent.core.codec import decode, encode
from agent.core.facts import FACTS, Event
from agent.core.gpu import GpuDriver, GpuReading
from agent.core.model import Json, Sample
from agent.core.ports import LogReading, Reading


@dataclass(frozen=True, slots=True)
class _Crossing:
    """What of a reading is plain enough to cross as it is. Descriptors to watch mean nothing to another process."""

    samples: tuple[Sample, ...] = ()
    checkpoint: Mapping[str, Json] = field(default_factory=dict)
    logs: tuple[LogReading, ...] = ()
    again_in: float | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[GpuReading, ...] | None = None
    driver: GpuDriver | None = None


_NAMES = tuple(item.name for item in fields(_Crossing))


def to_json(reading: Reading) -> dict[str, Json]:
    """What a child writes."""
    plain = _Crossing(**{name: getattr(reading, name) for name in _NAMES})
    return {**encode(plain), "events": [_event_to_json(event) for event in reading.events]}


def from_json(data: Mapping[str, Json]) -> Reading:
    """What a parent reads. Raises AttributeError, KeyError, TypeError or ValueError where it is no reading."""
    plain = decode(_Crossing, data)
    events = tuple(_event_from_json(item) for item in data.get("events") or ())
    return Reading(events=events, **{name: getattr(plain, name) for name in _NAMES})


def _event_to_json(event: Event) -> dict[str, Json]:
    kind = type(event.fact).__name__
    return {"id": event.id, "source": event.source, "at": event.at, "kind": kind, "fact": encode(event.fact)}


def _event_from_json(item: Mapping[str, Json]) -> Event:
    return Event(item["id"], item["source"], item["at"], decode(FACTS[item["kind"]], item["fact"]))
