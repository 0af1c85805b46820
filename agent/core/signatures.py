"""What an error, a start or an end looks like in a log: tables, and what is read out of a line that one recognises.

The tables are the files in `signatures/`; a new framework is a new table there. Reading such packaged files is the one
piece of input that `core` allows itself, since the tables are code in another notation.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import chain

from agent.core import xids
from agent.core.facts import FindingKind, Role
from agent.core.model import Json, Severity
from agent.core.units import BYTES, parse_size

FILES = (
    "survived", "hardware", "disk", "gpu_memory", "host_memory", "stalls", "numbers", "launchers", "stopped", "crashes",
    "markers",
)  # fmt: skip
"""The tables in the order in which they are tried: what is specific, or survived, before what is general."""
TEXT_LENGTH = 500
"""Characters of a line that are kept."""
_LEAD = 60
"""Characters kept before what was recognised, where a line must be cut."""

SIZES = frozenset({"tried", "free", "total", "allocated", "reserved", "unallocated", "resident", "used", "other_used"})
"""Facts that are bytes, or are left out."""

_SIZE = re.compile(rf"\d{{1,15}}(?:\.\d{{1,9}})? ?(?:{'|'.join(filter(None, BYTES))})")
_ANCHORS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[$^]", re.DOTALL)
"""Tokens of a pattern: an escape, a class, or an anchor."""
_WHOLE = re.compile(r"-?\d{1,18}")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3}){1,5}")
_SHORT = re.compile(r"\d{1,15}(?:\.\d{1,9})?[KMGT]")
"""A size as XLA writes it: the binary unit without its last letters."""

_SEVERITIES: Mapping[FindingKind, Severity] = {
    FindingKind.STALL: Severity.WARNING,
    FindingKind.NAN_LOSS: Severity.WARNING,
    FindingKind.CANCELLED: Severity.INFO,
    FindingKind.STARTED: Severity.INFO,
    FindingKind.COMPLETED: Severity.INFO,
}
"""The severity of a kind where the table names none; critical for every other."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What a signature becomes where the fact `when` is one of `values`; None leaves a field as it is."""

    when: str
    values: tuple[Json, ...]
    kind: FindingKind | None = None
    role: Role | None = None
    severity: Severity | None = None
    doubt: int | None = None
    facts: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """One thing that logs say.

    `pattern` finds candidate lines in raw bytes, so it is not anchored and stays within one line. On the cleaned line
    `line` and `also` must match and `unless` must not. `block` names the shape of several lines that the line begins;
    `alone`: it says nothing of the last line of a traceback. `doubt` is that of `LogFinding`.
    """

    id: str
    pattern: str
    line: re.Pattern[str]
    kind: FindingKind
    role: Role = Role.ROOT
    severity: Severity = Severity.CRITICAL
    doubt: int = 0
    final: bool = False
    also: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    facts: tuple[re.Pattern[str], ...] = ()
    known: tuple[tuple[str, Json], ...] = ()
    variants: tuple[Variant, ...] = ()
    block: str | None = None
    alone: bool = False
    ignore: bool = False

    def match(self, text: str) -> re.Match[str] | None:
        """Decide whether a cleaned line is meant; the match says where in it."""
        match = self.line.search(text)
        if match is None or (self.also is not None and not self.also.search(text)):
            return None
        return None if self.unless is not None and self.unless.search(text) else match


@dataclass(frozen=True, slots=True)
class Reading:
    """What a signature says about the text it recognised."""

    kind: FindingKind
    role: Role
    severity: Severity
    doubt: int
    facts: Mapping[str, Json]


def recognise(signatures: Iterable[Signature], text: str) -> tuple[Signature, re.Match[str]] | None:
    """Find the first signature that means this line. A line has one meaning: the order of the table decides."""
    for signature in signatures:
        match = signature.match(text)
        if match is not None:
            return signature, match
    return None


def read(signature: Signature, text: str, told: Mapping[str, Json] | None = None) -> Reading:
    """Parse the facts out of a recognised line or block: sizes become bytes, whole numbers become ints.

    `told`: what a block knows beside its text.
    """
    facts: dict[str, Json] = dict(signature.known) | dict(told or {})
    for pattern in signature.facts:
        match = pattern.search(text)
        found = match.groupdict() if match else {}
        read_out = {name: _value(value) for name, value in found.items() if value is not None and name not in facts}
        facts.update({name: value for name, value in read_out.items() if name not in SIZES or isinstance(value, int)})
    _reserved(facts)
    reading = Reading(signature.kind, signature.role, signature.severity, signature.doubt, facts)
    return _varied(_by_xid(reading), signature)


def excerpt(text: str, at: int = 0) -> str:
    """Cut a line to the length that is kept, so that position `at` stays in it."""
    begin = 0 if at < TEXT_LENGTH - _LEAD else at - _LEAD
    return text[begin : begin + TEXT_LENGTH].strip()


@cache
def builtin() -> tuple[Signature, ...]:
    """Load the signatures that come with the agent, in the order in which they are tried."""
    folder = resources.files("agent.core").joinpath("signatures")
    tables = (tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8"))["signature"] for name in FILES)
    return tuple(from_table(table) for table in chain.from_iterable(tables))


def with_own(own: Iterable[Signature]) -> tuple[Signature, ...]:
    """Put the user's signatures first; one with the id of a built-in signature takes its place."""
    own = tuple(own)
    replaced = {signature.id for signature in own}
    return (*own, *(signature for signature in builtin() if signature.id not in replaced))


def from_table(table: Mapping[str, Json]) -> Signature:
    """Build a signature from a table of this package or of the user's configuration.

    Raises ValueError that names the id, and the position in a pattern that does not compile.
    """
    name = str(table["id"])
    kind = FindingKind(table["kind"])
    return Signature(
        id=name,
        pattern=unanchored(table["pattern"]),
        line=_compiled(name, table.get("line", table["pattern"])),
        kind=kind,
        role=Role(table.get("role", _role(kind))),
        severity=_severity(table) or _SEVERITIES.get(kind, Severity.CRITICAL),
        doubt=table.get("doubt", 0),
        final=table.get("final", False),
        also=_compiled(name, table["also"]) if "also" in table else None,
        unless=_compiled(name, table["unless"]) if "unless" in table else None,
        facts=tuple(_compiled(name, pattern) for pattern in table.get("facts", ())),
        known=tuple(table.get("known", {}).items()),
        variants=tuple(_variant(variant) for variant in table.get("variant", ())),
        block=table.get("block"),
        alone=table.get("alone", False),
        ignore=table.get("ignore", False),
    )


def unanchored(pattern: str) -> str:
    """Drop every anchor: raw lines may carry prefixes and end in a carriage return. The result matches all the more."""
    return _ANCHORS.sub(lambda match: "" if match[0] in {"^", "$", r"\A", r"\Z"} else match[0], pattern)


def _role(kind: FindingKind) -> Role:
    return Role.MARKER if kind in (FindingKind.STARTED, FindingKind.COMPLETED) else Role.ROOT


def _severity(table: Mapping[str, Json]) -> Severity | None:
    return Severity.parse(table["severity"]) if table.get("severity") else None


def _variant(table: Mapping[str, Json]) -> Variant:
    return Variant(
        when=table["when"],
        values=tuple(table["values"]),
        kind=FindingKind(table["kind"]) if "kind" in table else None,
        role=Role(table["role"]) if "role" in table else None,
        severity=_severity(table),
        doubt=table.get("doubt"),
        facts=table.get("facts"),
    )


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        place = "" if error.pos is None else f" at position {error.pos}"
        raise ValueError(f"signature {name!r}: the pattern does not compile: {error.msg}{place}") from None
    if compiled.search(""):
        raise ValueError(f"signature {name!r}: the pattern matches an empty line, so it would match every line")
    return compiled


def _varied(reading: Reading, signature: Signature) -> Reading:
    """Apply the first variant that the facts call for."""
    for variant in signature.variants:
        if reading.facts.get(variant.when) in variant.values:
            return Reading(
                variant.kind or reading.kind, variant.role or reading.role, variant.severity or reading.severity,
                reading.doubt if variant.doubt is None else variant.doubt, {**reading.facts, **(variant.facts or {})},
            )
    return reading


def _by_xid(reading: Reading) -> Reading:
    """Take the severity of an Xid from its table; a note, or what an application did, is no sure cause."""
    number = reading.facts.get("xid")
    if not isinstance(number, int):
        return reading
    meaning = xids.meaning(number, str(reading.facts.get("detail", "")))
    doubt = 2 if number in xids.FALLOUT or meaning.severity is Severity.INFO else 0
    return replace(reading, severity=meaning.severity, doubt=doubt)


def _value(text: str) -> Json:
    text = text.strip(" .").removesuffix("bytes").rstrip()
    if _SIZE.fullmatch(text):
        return parse_size(text)
    if _SHORT.fullmatch(text):
        return parse_size(f"{text}iB")
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return int(text) if _WHOLE.fullmatch(text) else text


def _reserved(facts: dict[str, Json]) -> None:
    """Allocators print either all that is reserved or what of it is free; give both."""
    allocated, reserved, unallocated = (facts.get(name) for name in ("allocated", "reserved", "unallocated"))
    if isinstance(allocated, int) and isinstance(unallocated, int) and reserved is None:
        facts["reserved"] = allocated + unallocated
    elif isinstance(allocated, int) and isinstance(reserved, int) and unallocated is None:
        facts["unallocated"] = max(0, reserved - allocated)
