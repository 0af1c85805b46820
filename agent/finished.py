"""Finished logs read offline, for `scan`: from a file, compressed or not, to findings and a summary.

Wires, like `app`, but loads little: settings are read only where a configuration file exists that may hold signatures.
"""

import bz2
import gzip
import lzma
import math
import os
import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from agent.core import ending, verdict
from agent.core.facts import LogFinding, Progress
from agent.core.job import NOTHING_YET
from agent.core.model import Json
from agent.sources.logs import offline, side_files
from agent.sources.logs.rules import Rules, rules

if TYPE_CHECKING:
    from agent.config.load import Loaded

__all__ = ["UNREADABLE", "Rules", "Scanned", "builtin_rules", "own_rules", "scan", "size"]

Stream = AbstractContextManager[BinaryIO]
STANDARD_INPUT = "-"
_OPENERS: Mapping[str, Callable[[Path], object]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a file may end with: it cannot be read, or is not compressed as its name says."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one log holds: `findings` and `summary` as the contract's objects. `suppressed`: findings not listed."""

    findings: tuple[Json, ...]
    summary: Json
    suppressed: int


def builtin_rules() -> Rules:
    """What is looked for where there is no configuration."""
    return rules()


def own_rules(loaded: "Loaded") -> Rules:
    """What is looked for with the user's signatures and progress patterns."""
    # Deferred: the settings library takes longer to import than most logs take to scan.
    from agent.config.zones import resolve
    from agent.sources.logs.settings import Config

    config = loaded.settings.source("logs", Config)
    return rules(
        (item.built() for item in config.signatures),
        (item.built() for item in config.progress),
        max_line=config.max_line,
        zone=resolve(loaded.settings.agent.timezone, os.environ),
    )


def size(path: str) -> int | None:
    """How many bytes reading a log will give; None where that is not known. Raises OSError."""
    if path == STANDARD_INPUT:
        return None
    found = Path(path).stat().st_size
    return None if Path(path).suffix in _OPENERS else found


def scan(known: Rules, path: str, advanced: Callable[[int], None] = lambda _: None) -> Scanned:
    """Read one log, decompressed by its ending. Raises one of UNREADABLE."""
    with _open(path) as stream:
        found = offline.read(known, path, stream, advanced)
    progress = found.progress or NOTHING_YET
    full = ending.is_full(found.last, progress)
    judged = verdict.judge(
        verdict.Contents(found.findings, found.begun, progress, found.size, full, found.marker)
    )
    return Scanned(
        findings=tuple(_finding(item) for item in judged.findings),
        summary=_summary(path, found, _with_side_files(path, found), judged),
        suppressed=found.suppressed,
    )


def _open(path: str) -> Stream:
    if path == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer)
    opener = _OPENERS.get(Path(path).suffix)
    return Path(path).open("rb", buffering=0) if opener is None else cast("Stream", opener(Path(path)))


def _finding(finding: LogFinding) -> Json:
    return {
        "file": finding.path,
        "offset": finding.offset,
        "kind": finding.kind,
        "signature": finding.signature,
        "severity": str(finding.severity),
        "text": finding.text,
        "rank": finding.rank,
        "facts": finding.facts,
    }


def _with_side_files(path: str, found: offline.Found) -> Progress:
    """What the log shows last, with what stands beside it; a compressed one may be anywhere by now."""
    shown = found.progress
    if shown is None or path == STANDARD_INPUT or Path(path).suffix in _OPENERS:
        return shown or NOTHING_YET
    return side_files.of_finished(shown, path, found.output)


def _summary(path: str, found: offline.Found, progress: Progress, judged: verdict.Verdict) -> Json:
    finite = progress.loss is not None and math.isfinite(progress.loss)
    return {
        "kind": "summary",
        "file": path,
        "framework": judged.framework,
        "outcome": judged.state,
        "reason": judged.reason,
        "step": progress.step,
        "total_steps": progress.total,
        "epoch": progress.epoch,
        "loss": progress.loss if finite else None,
        "first_step": found.first_step,
        "bytes": found.size,
    }
