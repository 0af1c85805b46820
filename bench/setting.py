"""What every benchmark is given: a place to work in, how thorough to be, and whom to tell how far it is."""

import os
import platform
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.daemon import Site

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Setting:
    """One run of the benchmarks. `quick` takes a minute and is good enough to see a change for the worse."""

    folder: Path
    quick: bool
    say: Callable[[str], None]

    def site(self, name: str) -> Site:
        """A fresh place for a daemon."""
        return Site(self.folder / name, self.folder / "byte-code")

    def runs(self, thorough: int, quick: int) -> int:
        """How often to measure."""
        return quick if self.quick else thorough


def machine() -> tuple[str, str]:
    """The machine and what runs on it, in two lines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    processor = _processor() or platform.machine()
    return (
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()} {platform.release()}",
        f"gpuwarden {version('gpuwarden')}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
    )


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "")
