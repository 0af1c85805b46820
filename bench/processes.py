"""Processor time of the process source over a node with many processes, most of which are no training."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.core.clock import SECOND, Instant
from agent.sources.processes.settings import Config, Descriptions
from agent.sources.processes.source import ProcessSource
from bench.figures import Row
from bench.setting import Setting

AT_REST = 1_000
TRAINING = 8
SETTLED = 24
"""Looks before the first that counts: two minutes, after which no process is young any more."""
LOOKS = 24
"""Looks a figure: two minutes, in which each process is looked at twice."""
PERCENT = 100
SCRIPT = "import time\ntime.sleep(3600)\n"


def measure(setting: Setting) -> list[Row]:
    """Look at all processes again and again, under a clock that runs ahead from look to look."""
    runs = setting.runs(5, 2)
    folder = setting.folder / "processes"
    folder.mkdir()
    with _processes(folder):
        source = ProcessSource(Config(), Descriptions(()), leaders=frozenset, progress=lambda _: None, own=-1)
        first = _cost(source, 1, 0)
        _cost(source, SETTLED, 1)
        looks = [_cost(source, LOOKS, 1 + SETTLED + run * LOOKS) / LOOKS for run in range(runs)]
    told = f"{AT_REST} processes and {TRAINING} scripts, every {source.interval:.0f} s"
    shares = [PERCENT * seconds / source.interval for seconds in looks]
    return [
        Row("processes, first look", [first * SECOND], "ms", remark=told),
        Row("processes, one look", [seconds * SECOND for seconds in looks], "ms"),
        Row("processes, processor", shares, "% of a core", "0.5 %", told),
    ]


def _cost(source: ProcessSource, looks: int, since: int) -> float:
    """Seconds of processor time that some looks take, the first of them the `since`th."""
    before = time.process_time()
    for number in range(since, since + looks):
        seconds = number * source.interval
        source.read(Instant(round(seconds * SECOND), seconds))
    return time.process_time() - before


@contextmanager
def _processes(folder: Path) -> Iterator[None]:
    script = folder / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    with (folder / "train.log").open("wb") as log:
        started = [subprocess.Popen(["sleep", "3600"]) for _ in range(AT_REST)]
        started += [subprocess.Popen([sys.executable, script], stdout=log, stderr=log) for _ in range(TRAINING)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
