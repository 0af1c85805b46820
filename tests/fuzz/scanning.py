"""One round of the scanner: a hostile log read whole, in pieces, over restarts, and once it has ended.

Raises AssertionError where two ways of reading disagree, or a value is not what it promises to be.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from agent import finished
from agent.core.facts import LogFinding
from agent.core.signatures import TEXT_LENGTH
from agent.sources.logs.recogniser import Place
from agent.sources.logs.rules import Rules
from agent.sources.logs.scanner import LogScanner, Noticed
from tests.fuzz import hostile

Facts = dict[tuple[str | int, ...], LogFinding]
CUTS_AT_MOST = 40
WRITERS = (b"[rank", b"[default", b"pid=")
SECONDS_AT_MOST = 20.0
"""For one log of some hundred KiB, even on a busy machine: a pattern that backtracks takes hours."""


def play(random: Random, rules: Rules, folder: Path) -> None:
    """Make a log, and read it in every way."""
    data = hostile.log(random)
    began = time.monotonic()
    whole = _read(rules, data, ())
    cuts = tuple(sorted(random.randrange(len(data) + 1) for _ in range(random.randint(1, CUTS_AT_MOST))))
    if whole is not None:
        _compare(whole, _read(rules, data, cuts), f"cut at {cuts}")
        _compare(_bare(whole), _resumed(rules, data, random.choice(cuts)), "restarted")
    _ended(rules, data, folder)
    spent = time.monotonic() - began
    assert spent < SECONDS_AT_MOST, f"reading took {spent:.0f} s"


def _read(rules: Rules, data: bytes, cuts: tuple[int, ...]) -> Facts | None:
    """What a log tells, fed in pieces; None where findings were too many to tell, which depends on the pieces."""
    scanner = LogScanner(rules, "/log", "1:2:3", Place(0, 0, b""))
    noticed: list[Noticed] = []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        noticed += scanner.feed(data[begin:end])
    noticed += scanner.settle(blocks=True)
    return None if scanner.suppressed else _facts(noticed, len(data))


def _resumed(rules: Rules, data: bytes, cut: int) -> Facts | None:
    """What a log tells where the agent is ended at `cut`, and begins again from its checkpoint.

    None, too, where several writers had unfinished blocks: those are read again from the earliest that is still open.
    """
    first = LogScanner(rules, "/log", "1:2:3", Place(0, 0, b""))
    noticed = first.feed(data[:cut])
    second = LogScanner(rules, "/log", "1:2:3", first.place, first.run, first.progress, first.activity, first.output)
    noticed += second.feed(data[first.place.offset :])
    noticed += second.settle(blocks=True)
    entangled = any(prefix in data for prefix in WRITERS) and b"\n" in data[first.place.offset : cut]
    if entangled or first.suppressed or second.suppressed:
        return None
    return _bare(_facts(noticed, len(data)))


def _bare(found: Facts) -> Facts:
    """What a restart does not change: a launcher's summary is read without the traceback above it, NaNs count anew."""
    return {key: replace(fact, context=()) for key, fact in found.items() if "records" not in key}


def _facts(noticed: list[Noticed], size: int) -> Facts:
    """The findings by their keys, without progress and time around them: both are read as far back as pieces allow."""
    found: Facts = {}
    for item in noticed:
        if isinstance(item.fact, LogFinding):
            assert 0 <= item.fact.offset < size, item
            assert len(item.fact.text) <= TEXT_LENGTH, item
            json.dumps(item.fact.facts)
            found[item.key] = replace(item.fact, progress=None, written_at=None)
    return found


def _compare(whole: Facts, other: Facts | None, how: str) -> None:
    if other is not None and other != whole:
        more = {key: value for key, value in other.items() if whole.get(key) != value}
        less = {key: value for key, value in whole.items() if other.get(key) != value}
        raise AssertionError(f"{how}\n only read whole: {less}\n only so: {more}")


def _ended(rules: Rules, data: bytes, folder: Path) -> None:
    """Read it as `scan` does."""
    path = folder / "ended.log"
    path.write_bytes(data)
    found = finished.scan(rules, str(path))
    json.dumps([*found.findings, found.summary], allow_nan=False)
    assert found.summary["bytes"] == len(data)
    assert found.summary["outcome"] in {"completed", "failed", "cancelled", "unknown"}
