"""One record of a log as text: cleaned of control characters and launchers' prefixes, with rank and time kept.

Knows nothing of errors or progress. Works on records of bounded length, in time linear in them.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime, tzinfo

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]|$)")
"""ECMA-48 control sequences, operating system commands and two-byte escapes."""
_BARE_COLOURS = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3}){0,4})?m")
_RESETS = ("[0m", "[39m")
"""Of colours whose escape character was lost, as it is when a terminal's text is pasted."""
_BACKSPACES = re.compile(r"(\x08+)")
_CONTROLS: dict[int, str | None] = {**dict.fromkeys((*range(32), *range(0x7F, 0xA0))), ord("\t"): " "}

_RANK = r"rank\s{0,2}:?\s{0,3}(?P<rank>\d{1,7})"
_PREFIX = re.compile(
    r"\s{0,8}(?:"
    rf"\[{_RANK}\]:? ?"  # torch: [rank3]:
    r"|\[default(?P<default>\d{1,7})\]: ?"  # torchrun --tee
    r"|\[[A-Za-z_]{1,32}\d{0,7}\|\d{1,7}\]: ?"  # TorchX: [trainer0|0]:
    r"|\([A-Za-z_]\w{0,63} pid=\d{1,10}(?:, ip=[\da-fA-F.:]{3,45})?\) ?"  # Ray
    rf"|{_RANK.replace('<rank>', '<bare>')} \| (?:[\d:., -]{{8,32}}[A-Z]{{4,8}} \| )?"
    r"|std(?:err|out): "
    r"|\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d) (?:std(?:err|out) [FP] )?"  # docker, Kubernetes
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,64} [\w.@-]{1,64}\[\d{1,10}\]: "  # journald
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{1,9} {1,8}\d{1,20} [\w./-]{1,128}:\d{1,7}\] ?"  # absl
    r")",
    re.IGNORECASE,
)
_PREFIXES_AT_MOST = 4

_WRAPPED = b'{"log":'
"""How a record of Docker's driver `json-file` begins, and of those that forward its records."""
_DRAWN = re.compile(r"[\r\n]")
_ANGLE = "\\u003c"
"""How Docker writes the angle bracket of a bar. Its records hold 16 KiB at most, so a long bar is torn into several."""
_TORN = re.compile(r'(?<!\\n)","stream":"std(?:out|err)",.{1,80}$')
_REST_OF_BAR = re.compile(r"\d{0,15}/\d{1,15} \[")

_FOLD = re.compile(r'(?P<escape>\\+)n[ \t]{0,16}File (?P<quote>\\*)"')
"""A frame of a traceback in a record that holds the whole of it in one text, as loggers of JSON write it."""

_STAMP = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T _](?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))? ?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_STAMP_WITHIN = 96
"""A time stands near the start of a record; further in, it is more likely what the record is about."""


@dataclass(frozen=True, slots=True)
class Line:
    """A cleaned record. `source` is the prefix that tells writers of one log apart, empty where there is none."""

    text: str
    rank: int | None = None
    source: str = ""


def clean(record: bytes) -> Line:
    """Turn a record's bytes into text: invalid UTF-8 replaced, escapes and controls gone, prefixes taken off."""
    text = plain(_unwrapped(record) if record.startswith(_WRAPPED) else record)
    text = _untorn(text) if _ANGLE in text else text
    rank: int | None = None
    source = ""
    for _ in range(_PREFIXES_AT_MOST):
        match = _PREFIX.match(text)
        if match is None:
            break
        found = match["rank"] or match["default"] or match["bare"]
        rank = int(found) if found and rank is None else rank
        tag = match[0].strip()
        source += tag if tag.startswith(("[", "(")) else ""
        text = text[match.end() :]
    return Line(text.rstrip(), rank, source)


def plain(record: bytes) -> str:
    """Decode a record and drop what only moves or colours the cursor; prefixes stay."""
    text = record.decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    elif _RESETS[0] in text or _RESETS[1] in text:
        text = _BARE_COLOURS.sub("", text)
    if "\b" in text:
        text = _erase(text)
    return text if text.isprintable() else text.translate(_CONTROLS)


def _unwrapped(record: bytes) -> bytes:
    """What a program wrote last in a record of Docker's; the record itself where it is none."""
    try:
        wrapped = json.loads(record)
    except (ValueError, RecursionError):
        return record
    written = wrapped.get("log") if "stream" in wrapped or "kubernetes" in wrapped else None
    if not isinstance(written, str) or '\n  File "' in written:
        return record
    drawn = [part for part in _DRAWN.split(written) if part.strip()]
    if not drawn or _REST_OF_BAR.match(drawn[-1]):
        return b""
    return drawn[-1].encode("utf-8", "replace")


def _untorn(text: str) -> str:
    """A piece of a record of Docker's that is too long to be read whole: up to where its last bar is torn."""
    text = text.replace(_ANGLE, "<").replace("\\u003e", ">")
    torn = _TORN.search(text)
    if torn is None or "%|" not in text:
        return text
    return text[: text.rfind("]", 0, torn.start()) + 1]


def unfolded(text: str) -> list[str]:
    """The lines of a traceback that a record of JSON, or a text shown with its escapes, holds with what is around it.

    Of a record without one only itself. The escapes tell, not the syntax: a long record comes in pieces.
    """
    fold = _FOLD.search(text) if '"' in text and "\\" in text else None
    if fold is None:
        return [text]
    escape, quote = re.escape(fold["escape"]), re.escape(fold["quote"])
    ends = [rf"(?<!\\){escape}n", *([r'(?<!\\)"(?=\s{0,4}[,}])'] if quote else [])]
    parts = (part.replace(fold["quote"] + '"', '"') for part in re.split("|".join(ends), text))
    return [part for part in parts if part.strip()]


def stamp(text: str, zone: tzinfo | None = None) -> int | None:
    """Read the time that a record begins with, UTC milliseconds; None if it has none or an impossible one.

    A time without an offset is read in `zone`, or in the system's own where that is None.
    """
    match = _STAMP.search(text[:_STAMP_WITHIN])
    if match is None:
        return None
    fraction = (match["fraction"] or "0")[:6].ljust(6, "0")
    offset = (match["zone"] or "").replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}.{fraction}{offset}")
        return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None


def _erase(text: str) -> str:
    """Apply backspaces as a terminal would, if what follows overwrites what stood there."""
    kept = ""
    for part in _BACKSPACES.split(text):
        kept = kept[: max(0, len(kept) - len(part))] if part.startswith("\b") else kept + part
    return kept
