"""What was told of each run, so that only news is told, and a restart repeats nothing."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from agent.core.codec import encode
from agent.core.facts import Event, event_id
from agent.core.jobs import process_key
from agent.core.model import Json
from agent.core.ports import Checkpoint
from agent.core.sightings import TreeSeen

SOURCE = "processes"


@dataclass(frozen=True, slots=True)
class _Told:
    """The last that was told of a run: its number, what it said, and when the run's leader was started."""

    number: int
    digest: str
    began: int
    marked: bool
    """Whether the leader was named by somebody else, and leads whatever it is."""


class Telling:
    """What was told, by the natural keys of the runs' leaders."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._began: dict[str, int] = {}
        self._changed: set[str] = set()

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Continue where a checkpoint says."""
        self._told = {key: _Told(*entry) for key, entry in checkpoint.items()}
        self._began = {key: told.began for key, told in self._told.items()}

    def found_itself(self, key: str) -> bool:
        """Whether a leader was told of that nobody had named: it need not be marked to lead."""
        told = self._told.get(key)
        return told is not None and not told.marked

    def began(self, key: str, measure: Callable[[], int]) -> int:
        """When a leader was started: as first measured, since the clock may be set, and no two measurements agree."""
        if key not in self._began:
            self._began[key] = measure()
        return self._began[key]

    def news(self, seen: TreeSeen, at: int, *, marked: bool) -> Event | None:
        """The event that tells of a run, if it differs from what was told of it last."""
        key = process_key(seen.boot_id, seen.pid, seen.start_ticks)
        before, said = self._told.get(key), _digest(seen)
        if before is not None and before.digest == said:
            return None
        number = 0 if before is None else before.number + 1
        self._told[key] = _Told(number, said, seen.started_at, marked)
        self._changed.add(key)
        return Event(event_id(SOURCE, key, number), SOURCE, at, seen)

    def checkpoint(self, living: Collection[str]) -> Checkpoint:
        """What has changed since the last checkpoint; leaders that do not live any more are forgotten."""
        self._began = {key: at for key, at in self._began.items() if key in living}
        gone = self._told.keys() - living
        for key in gone:
            del self._told[key]
        entries: dict[str, Json | None] = dict.fromkeys(gone)
        for key in self._changed - gone:
            told = self._told[key]
            entries[key] = [told.number, told.digest, told.began, told.marked]
        self._changed.clear()
        return entries


def _digest(seen: TreeSeen) -> str:
    text = json.dumps(encode(replace(seen, started_at=0)), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
