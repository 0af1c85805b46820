"""The kernel's log: its records, and the few of them that matter to training: GPUs, memory, disks.

Pure. Only what the kernel itself wrote is believed: anyone on the node may write a line that looks like an Xid, but the
kernel marks those with another facility.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.core import xids
from agent.core.model import Json
from agent.core.text import strip_controls

KERNEL = 0
"""The facility of what the kernel wrote itself (syslog.h)."""
TASKS_KEPT = 6
"""Processes of the table in an out-of-memory report that are kept: the biggest."""
TEXT_LENGTH = 500
"""Characters of a line that are kept."""


class KernelKind(StrEnum):
    """What a line of the kernel is about."""

    XID = "xid"
    OOM_KILL = "oom_kill"
    DISK_IO = "disk_io"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of `/dev/kmsg`. `at_us`: microseconds since boot, by the monotonic clock."""

    facility: int
    sequence: int
    at_us: int
    text: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a line says. `pci` as `xids.XidLine`; `device` without `/dev/`."""

    kind: KernelKind
    text: str
    pci: str | None = None
    xid: int | None = None
    pid: int | None = None
    process: str | None = None
    device: str | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)


_HEADER = re.compile(r"(?P<priority>\d{1,10}),(?P<sequence>\d{1,20}),(?P<at>\d{1,20}),[^;]{0,200};(?P<text>.*)")
_ESCAPE = re.compile(r"\\x([\da-fA-F]{2})")

_KILLED = re.compile(
    r"^(?P<scope>Memory cgroup out of memory|Out of memory)(?: \(oom_kill_allocating_task\))?: "
    r"Kill(?:ed)? process (?P<pid>\d{1,10}) \((?P<process>.{1,64}?)\)(?P<rest>.*)$"
)
_CONSTRAINT = re.compile(
    r"^oom-kill:constraint=CONSTRAINT_(?P<constraint>[A-Z_]{1,32}),.*?(?:oom_memcg=(?P<cgroup>[^,]{1,1024}),)?"
    r"(?:task_memcg=(?P<own>[^,]{1,1024}),)?task=(?P<process>.{1,64}),pid=(?P<pid>\d{1,10}),uid="
)
_LIMIT = re.compile(r"^memory: usage (?P<used>\d{1,15})kB, limit (?P<limit>\d{1,15})kB")
_TASKS = re.compile(r"^\[ *pid *\] +uid +tgid +total_vm +rss\b")
_TASK = re.compile(r"^\[ *(\d{1,10})\] +\d{1,10} +\d{1,10} +\d{1,15} +(\d{1,15})(?: +-?\d{1,20}){2,12} (\S.{0,31})$")
_RESIDENT = re.compile(r"anon-rss:(\d{1,15})kB")
_DISK_IO = (
    re.compile(r"^Buffer I/O error on dev(?:ice)? (?P<device>[\w!-]{1,64})"),
    re.compile(r"\bI/O error, dev (?P<device>[\w!-]{1,64}), sector \d"),
    re.compile(r"^nvme (?P<device>nvme\d{1,4}): (?:I/O .{0,80}timeout, reset controller|Disabling device after reset)"),
    re.compile(r"^EXT4-fs error \(device (?P<device>[^)]{1,64})\)"),
    re.compile(r"^XFS \((?P<device>[^)]{1,64})\): .{0,200}(?:Shutting down filesystem|Filesystem has been shut down)"),
    re.compile(r"^BTRFS error \(device (?P<device>[^)]{1,64}?)(?: state \w{1,8})?\)"),
)
_READ_ONLY = (
    re.compile(r"^EXT4-fs \((?P<device>[^)]{1,64})\): Remounting filesystem read-only"),
    re.compile(r"^BTRFS info \(device (?P<device>[^)]{1,64}?)(?: state \w{1,8})?\): forced readonly"),
    re.compile(r"^F2FS-fs \((?P<device>[^)]{1,64})\): .{0,80}[Rr]emount.{0,20}read-only"),
)


def records(data: bytes) -> Iterator[Record]:
    """Cut what was read of `/dev/kmsg` into records; garbage and `KEY=value` lines that continue one are left out."""
    for line in data.split(b"\n"):
        match = None if line.startswith(b" ") else _HEADER.fullmatch(line.decode("utf-8", "replace"))
        if match is not None:
            text = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), match["text"])
            yield Record(
                int(match["priority"]) >> 3, int(match["sequence"]), int(match["at"]), strip_controls(text).strip()
            )


class Reader:
    """Reads records in their order; some facts are told in several lines, so it remembers the last few of those.

    `page`: bytes in a page of memory, in which the kernel counts what each process holds.
    """

    def __init__(self, page: int = 4096) -> None:
        self._page = page
        self._tasks: list[tuple[int, str, int]] | None = None
        """The biggest processes of the table that is being told, as (pid, name, bytes); None outside of one."""
        self._lost: str | None = None
        self._constraints: dict[int, Mapping[str, Json]] = {}
        self._limit: int | None = None

    def recognise(self, record: Record) -> Recognised | None:
        """Say what a record means; None for most of them, and for all that the kernel did not write itself."""
        if record.facility != KERNEL:
            return None
        text = record.text
        if "NVRM:" in text:
            return self._driver(text)
        return self._memory(text) or _disk(text)

    def _driver(self, text: str) -> Recognised | None:
        found = xids.parse(text)
        if found is None and self._lost is not None and xids.ends_loss(text):
            found = xids.XidLine(self._lost, xids.OFF_THE_BUS, "GPU has fallen off the bus.")
        begun = xids.begins_loss(text)
        if begun is not None or found is not None:
            self._lost = begun if found is None else None
        if found is None:
            return None
        return Recognised(
            KernelKind.XID, text[:TEXT_LENGTH], pci=found.pci, xid=found.number, pid=found.pid, process=found.process,
            facts={"detail": found.text[:TEXT_LENGTH]},
        )

    def _memory(self, text: str) -> Recognised | None:
        if text.startswith("["):
            self._task(text)
            return None
        if "emory" not in text and not text.startswith("oom-kill:"):
            return None
        limit = _LIMIT.match(text)
        if limit is not None:
            self._limit = int(limit["limit"]) * 1024
            return None
        constraint = _CONSTRAINT.match(text)
        if constraint is not None:
            group = constraint["cgroup"] or constraint["own"]
            within = {"cgroup": group, "limit": self._limit} if constraint["constraint"] == "MEMCG" else {}
            known = {name: value for name, value in within.items() if value is not None}
            self._constraints = {int(constraint["pid"]): known}  # its `Killed process` follows at once
            return None
        killed = _KILLED.match(text)
        return self._killed(killed, text) if killed is not None else None

    def _task(self, text: str) -> None:
        if _TASKS.match(text):
            self._tasks = []
        row = _TASK.match(text) if self._tasks is not None else None
        if row is not None and self._tasks is not None:
            self._tasks.append((int(row[1]), row[3], int(row[2]) * self._page))
            self._tasks = sorted(self._tasks, key=lambda task: -task[2])[:TASKS_KEPT]

    def _killed(self, killed: re.Match[str], text: str) -> Recognised:
        pid = int(killed["pid"])
        scope = "cgroup" if killed["scope"].startswith("Memory cgroup") else "host"
        facts: dict[str, Json] = {"scope": scope, **self._constraints.pop(pid, {})}
        resident = _RESIDENT.search(killed["rest"])
        if resident is not None:
            facts["resident"] = int(resident[1]) * 1024
        if self._tasks:
            facts["tasks"] = [list(task) for task in self._tasks]
        self._limit = self._tasks = None
        return Recognised(
            KernelKind.OOM_KILL, text[:TEXT_LENGTH], pid=pid, process=killed["process"], facts=facts
        )


def _disk(text: str) -> Recognised | None:
    for kind, patterns in ((KernelKind.READ_ONLY, _READ_ONLY), (KernelKind.DISK_IO, _DISK_IO)):
        match = next((match for match in (pattern.search(text) for pattern in patterns) if match), None)
        if match is not None:
            return Recognised(kind, text[:TEXT_LENGTH], device=match["device"])
    return None
