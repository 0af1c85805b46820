"""The kernel's log, from `/dev/kmsg`: GPUs that fail, processes killed for memory, disks that break.

Reads each record once: where it stands is kept as boot id and sequence number, so that a restart tells nothing again.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from agent.core.clock import HOUR, SECOND, Instant
from agent.core.facts import Event, KernelSeen, event_id
from agent.core.kernel_log import Reader, Recognised, Record, records
from agent.core.model import Json, Sample
from agent.core.ports import Reading, Unavailable
from agent.core.units import parse_duration
from agent.sources import block_devices, proc

KMSG = Path("/dev/kmsg")
RECORD_AT_MOST = 8_192
"""Bytes of the longest record (CONSOLE_EXT_LOG_MAX of the kernel)."""
RECORDS_AT_ONCE = 2_000
"""Records in one look: a flood must not keep the worker from its end."""
FIRST_LOOK_BACK = HOUR
"""At the very first start, what the kernel wrote longer ago is history."""
CURSOR = "cursor"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f'found "{path}", expected an absolute path')
    return path


Seconds = Annotated[float, BeforeValidator(parse_duration)]


class Config(BaseModel):
    """`[sources.kernel]`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", validate_default=True)

    enabled: Literal["auto"] | bool = "auto"
    interval: Annotated[Seconds, Field(ge=1, le=3600)] = 5.0
    path: Annotated[Path, AfterValidator(_absolute)] = KMSG


class KernelSource:
    """Implements `core.ports.Source`."""

    name = "kernel"

    def __init__(self, config: Config, *, boot_id: str | None = None) -> None:
        self.interval = config.interval
        self._path = config.path
        self._boot = boot_id
        self._descriptor: int | None = None
        self._reader = Reader(os.sysconf("SC_PAGE_SIZE"))
        self._upto: int | None = None
        """The last sequence number that was read in this boot; None before the first record."""
        self._first = True
        self._gaps = self._reopens = 0

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Continue behind the last record read, if it was in this boot."""
        cursor = checkpoint.get(CURSOR)
        self._first = cursor is None
        if isinstance(cursor, dict) and cursor.get("boot") == self._boot_id():
            self._upto = cursor["sequence"]

    def read(self, now: Instant) -> Reading:
        """Read what was written since. Raises Unavailable where the log is not there or may not be read."""
        descriptor = self._opened()
        before, count = self._upto, 0
        events: list[Event] = []
        for record in self._records(descriptor):
            count += 1
            if self._upto is None or record.sequence > self._upto:
                events += self._events(record, now)
            if count >= RECORDS_AT_ONCE:
                break
        self._first = False
        moved = self._upto != before or before is None
        return Reading(
            samples=(Sample("kmsg_gaps_total", self._gaps), Sample("kmsg_reopens_total", self._reopens)),
            events=tuple(events),
            checkpoint={CURSOR: {"boot": self._boot_id(), "sequence": self._upto or 0}} if moved else {},
            again_in=0.0 if count >= RECORDS_AT_ONCE else None,
            watch=(descriptor,) if self._descriptor is not None else (),
        )

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _records(self, descriptor: int) -> Iterator[Record]:
        while True:
            try:
                data = os.read(descriptor, RECORD_AT_MOST)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue  # the ring was written over before it was read; the next read goes on behind the gap
            except OSError:
                self._reopen()
                return
            if not data:
                self._reopen()
                return
            yield from records(data)

    def _events(self, record: Record, now: Instant) -> Iterator[Event]:
        if self._upto is not None and record.sequence > self._upto + 1:
            self._gaps += 1
        self._upto = record.sequence
        written_at = now.wall - max(0, round(now.monotonic * SECOND - record.at_us / SECOND))
        found = self._reader.recognise(record)
        if found is not None and not (self._first and written_at < now.wall - FIRST_LOOK_BACK):
            yield self._event(found, record, written_at, now)

    def _event(self, found: Recognised, record: Record, written_at: int, now: Instant) -> Event:
        fact = KernelSeen(
            self._boot_id(), found.kind, found.text, written_at, found.pci, found.xid, found.pid, found.process,
            found.device and block_devices.named(found.device), found.facts,
            block_devices.standing_on(found.device) if found.device else (),
        )  # fmt: skip
        return Event(event_id("kernel", self._boot_id(), record.sequence), self.name, now.wall, fact)

    def _opened(self) -> int:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except PermissionError:
                text = f"{self._path} may not be read: give the agent CAP_SYSLOG, or run it as root"
                raise Unavailable(text) from None
            except OSError as error:
                raise Unavailable(f"{self._path}: {error.strerror}: the kernel's log is not watched") from None
        return self._descriptor

    def _reopen(self) -> None:
        """Begin again with a new descriptor at the next look: a log once closed never says anything again."""
        self.close()
        self._reopens += 1

    def _boot_id(self) -> str:
        if self._boot is None:
            self._boot = proc.boot_id()
        return self._boot
