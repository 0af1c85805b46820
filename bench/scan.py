"""How fast `scan --json` reads a finished log, beside what else searches logs: grep, a loop in Python, mtail.

All look for the same candidates. grep writes to a pipe, since it stops at the first match where nobody reads it. Those
that are slow are given a part of the log, and compared by the MB/s that they reach.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.core.signatures import builtin
from bench import logfile
from bench.figures import Row
from bench.setting import Setting

SIZE = 256 * logfile.MIB
SHARE = 8 * logfile.MIB
RUNS = 5
MB = 1_000_000
_CLASSES = {r"\d": "[0-9]", r"\s": "[[:space:]]", r"\w": "[[:alnum:]_]", r"\S": "[^[:space:]]"}


def measure(setting: Setting) -> list[Row]:
    """Read one log several times with everything that can read it, in turn."""
    whole, share = setting.folder / "large.log", setting.folder / "share.log"
    logfile.write(whole, setting.runs(SIZE, SIZE // 8))
    logfile.write(share, SHARE)
    patterns = [signature.pattern for signature in builtin()]
    translated = [found for found in map(_extended, patterns) if found is not None]
    grep = setting.folder / "patterns"
    grep.write_text("\n".join(translated) + "\n")
    scans, greps = [], []
    for run in range(setting.runs(RUNS, 3) + 1):
        seconds = _timed(lambda: _scan(whole)), _timed(lambda: _grep(grep, whole))
        if run:  # the first warms the page cache
            scans.append(whole.stat().st_size / MB / seconds[0])
            greps.append(whole.stat().st_size / MB / seconds[1])
    ratio = [scan / other for scan, other in zip(scans, greps, strict=True)]
    return [
        Row("scan --json", scans, "MB/s", remark=f"{whole.stat().st_size >> 20} MiB, with the start of Python"),
        Row("grep -acE, the same", greps, "MB/s", remark=f"{len(translated)} of {len(patterns)} patterns"),
        Row("scan against grep", ratio, "x", "1"),
        Row("re, line by line", [SHARE / MB / _timed(lambda: _loop(patterns, share))], "MB/s", remark="8 MiB"),
        *_mtail(setting, patterns, share),
    ]


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _scan(path: Path) -> None:
    command = [sys.executable, "-m", "agent", "scan", "--json", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _grep(patterns: Path, path: Path) -> None:
    command = f"grep -acE -f '{patterns}' '{path}' | cat"
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})


def _loop(patterns: Sequence[str], path: Path) -> int:
    flat = (re.sub(r"\(\?([imsx]+)\)(.*)", r"(?\1:\2)", pattern, flags=re.DOTALL) for pattern in patterns)
    search = re.compile("|".join(f"(?:{pattern})" for pattern in flat).encode()).search
    with path.open("rb") as file:
        return sum(search(line) is not None for line in file)


def _mtail(setting: Setting, patterns: Sequence[str], path: Path) -> list[Row]:
    command = shutil.which("mtail")
    if command is None:
        return [Row("mtail", [0.0], "MB/s", remark="not installed")]
    programs = setting.folder / "programs"
    programs.mkdir(exist_ok=True)
    rules = "".join("/" + pattern.replace("/", r"\/") + "/ {\n  found++\n}\n" for pattern in patterns)
    (programs / "errors.mtail").write_text(f"counter found\n{rules}")
    arguments = [command, "-one_shot", "-logs", str(path), "-progs", str(programs), "-log_dir", str(setting.folder)]
    seconds = _timed(lambda: subprocess.run(arguments, check=False, capture_output=True))
    return [Row("mtail, one shot", [path.stat().st_size / MB / seconds], "MB/s", remark="8 MiB")]


def _extended(pattern: str) -> str | None:
    """A pattern in the language of `grep -E`; None where it has no such form."""
    flags = re.match(r"\(\?([imsx]+)\)", pattern)
    body = pattern[flags.end() :] if flags is not None else pattern
    if flags is not None and "x" in flags[1]:
        return None
    body = re.sub(r"\[\^?(?:\\.|[^\]])+\]", lambda found: _spelled(found[0], inside=True), body)
    body = re.sub(r"([*+?}])\?", r"\1", _spelled(body, inside=False).replace("(?:", "("))
    if flags is not None and "i" in flags[1]:
        body = re.sub(r"(?<![\\\[:])[a-zA-Z](?![^\[]*\])", _either_case, body)
    probe = subprocess.run(["grep", "-cE", body], input="", text=True, capture_output=True, check=False)
    return body if probe.returncode in (0, 1) and "(?" not in body else None


def _spelled(text: str, *, inside: bool) -> str:
    """Write the short classes out; within brackets they lose their own."""
    for ours, theirs in _CLASSES.items():
        if not (inside and theirs.startswith("[^")):
            text = text.replace(ours, theirs[1:-1] if inside else theirs)
    return text


def _either_case(found: re.Match[str]) -> str:
    return f"[{found[0].lower()}{found[0].upper()}]"
