"""What the driver says in the kernel log about a GPU: Xids in every form, and GPUs that fell off the bus.

The table of meanings is `xid.toml`. Addresses are normalised, since the kernel log and NVML write them differently.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from agent.core.model import Json, Severity

OFF_THE_BUS = 79
"""The Xid that lines about a lost GPU stand for, where they name none."""
FALLOUT = frozenset({43, 45})
"""Channels reset or torn down after another error: these follow from it."""

_ADDRESS = r"(?:PCI:)?(?P<pci>[\da-fA-F]{4,8}:[\da-fA-F]{2}:[\da-fA-F]{2})(?:\.\d)?"
_XID = re.compile(rf"NVRM: Xid \({_ADDRESS}\): (?P<number>\d{{1,5}})(?:, (?P<text>.*))?$")
_PROCESS = re.compile(r"pid='?(?P<pid>\d{1,10}|<unknown>)'?, (?:name=(?P<name>[^,]{1,64}), )?")
_LOST = re.compile(rf"NVRM: (?:GPU|The NVIDIA GPU) (?:at )?{_ADDRESS}\b(?P<text>.*)$")
_LOST_WORDS = re.compile(r"fallen off the bus")
_ACTION = re.compile(r"\(([^()]{1,80})\)\s*$")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an Xid number means; `by` tells whether the line itself decides the severity: `word` or `action`."""

    meaning: str
    severity: Severity
    blame: str
    advice: str | None = None
    by: str | None = None

    @property
    def evidence_only(self) -> bool:
        """Whether no alert is raised: notes, and faults of the application, which the job's own end tells better."""
        return self.severity is Severity.INFO or (self.severity is Severity.WARNING and self.blame.startswith("app"))


@dataclass(frozen=True, slots=True)
class XidLine:
    """One line of the driver about a GPU. `pci`: domain (four digits), bus and device, as `"0000:05:00"`."""

    pci: str
    number: int
    text: str
    pid: int | None = None
    process: str | None = None


UNKNOWN = Meaning("newer than the table of this release", Severity.WARNING, "unknown")


def parse(line: str) -> XidLine | None:
    """Read a line of the kernel log; None if it is about no Xid and no lost GPU. Xid 0 is none."""
    match = _XID.search(line)
    if match is not None:
        text = match["text"] or ""
        process = _PROCESS.match(text)
        number = int(match["number"])
        found = XidLine(normalised(match["pci"]), number, text[process.end() :] if process else text)
        return _with_process(found, process) if number else None
    lost = _LOST.search(line)
    if lost is not None and _LOST_WORDS.search(line):
        return XidLine(normalised(lost["pci"]), OFF_THE_BUS, lost["text"].strip(" .:"))
    return None


def begins_loss(line: str) -> str | None:
    """The address in the first of the two lines that tell of a lost GPU; the second names none."""
    lost = _LOST.search(line)
    return normalised(lost["pci"]) if lost is not None and "The NVIDIA GPU" in line else None


def ends_loss(line: str) -> bool:
    """Whether a line is the second of those two."""
    return "NVRM:" in line and _LOST_WORDS.search(line) is not None


def normalised(pci: str) -> str:
    """Write an address as the kernel log does: four digits of domain, no function, lower case."""
    domain, bus, device = pci.lower().removeprefix("pci:").split(".")[0].split(":")
    return f"{int(domain, 16):04x}:{bus}:{device}"


def meaning(number: int, text: str = "", overrides: Mapping[int, Severity] | None = None) -> Meaning:
    """Say what an Xid means; where the table leaves it to the line, `text` decides. The user's own severity wins."""
    known = table().get(number, UNKNOWN)
    if known.by == "word":
        known = replace(known, severity=_by_word(text, known.severity))
    elif known.by == "action":
        known = replace(known, severity=_by_action(text, known.severity))
    override = (overrides or {}).get(number)
    # The user's word makes it an alert, or none, whoever is to blame.
    return known if override is None else replace(known, severity=override, blame="user")


@cache
def table() -> Mapping[int, Meaning]:
    """Load the meanings by number. Raises ValueError if a number stands in two tables."""
    import tomllib  # deferred, as the table: whoever only passes Xids on needs neither
    from importlib import resources

    text = resources.files("agent.core").joinpath("xid.toml").read_text("utf-8")
    meanings: dict[int, Meaning] = {}
    for row in tomllib.loads(text)["xid"]:
        for number in row["numbers"]:
            if number in meanings:
                raise ValueError(f"xid.toml: {number} stands in two tables")
            meanings[number] = _meaning(row)
    return meanings


def _meaning(row: Mapping[str, Json]) -> Meaning:
    severity = Severity.parse(row["severity"])
    return Meaning(row["meaning"], severity, row["blame"], row.get("advice"), row.get("by"))


def _with_process(found: XidLine, process: re.Match[str] | None) -> XidLine:
    if process is None:
        return found
    name = (process["name"] or "").strip("'<> ")
    pid = int(process["pid"]) if process["pid"].isdigit() else None
    return replace(found, pid=pid, process=None if name in ("", "unknown") else name)


def _by_word(text: str, otherwise: Severity) -> Severity:
    """`Nonfatal` is a note, `Fatal` is not; calling all of them fatal is a known mistake (leptonai/gpud#1174)."""
    if re.search(r"(?i)\bnon-?fatal\b", text):
        return Severity.INFO
    return Severity.CRITICAL if re.search(r"(?i)\bfatal\b", text) else otherwise


def _by_action(text: str, otherwise: Severity) -> Severity:
    """Xid 154 ends in the action's name: `... changed from 0x0 (None) to 0x1 (GPU Reset Required)`."""
    action = _ACTION.search(text)
    return Severity.INFO if action is not None and action[1].strip().lower() == "none" else otherwise
