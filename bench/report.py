"""A report over a month: how long it takes, and how much memory the process that makes it gains."""

import json
import subprocess
import sys
from pathlib import Path

from bench import stored
from bench.daemon import Failed
from bench.figures import Row
from bench.setting import Setting

DAYS = 30
JOBS = 1_000
"""In the period, beside the alerts."""
MAKE = """
import json, sys, time
from pathlib import Path
from agent.core.model import AlertType
from agent.core.periods import Period
from agent.runtime.reporter import Reporting, make
from agent.store.database import Database

def resident():
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["VmHWM"].split()[0]) / 1024

until = int(sys.argv[2])
month = Period("bench", AlertType.WEEKLY_DIGEST, until - int(sys.argv[3]) * 86_400_000, until, until)
with Database.open(Path(sys.argv[1]), readonly=True) as database:
    database.read(lambda conn: conn.execute("SELECT count(*) FROM job").fetchone())
    before, began = resident()[0], time.perf_counter()
    made = database.read(lambda conn: make(conn, month, Reporting("bench"), until))
    took = time.perf_counter() - began
print(json.dumps([took * 1000, resident()[1] - before, made["alerts"]["total"], made["jobs"]["more"]]))
"""
"""Makes one report in a process of its own; prints milliseconds, MiB gained at the peak, and how much was in it."""


def measure(setting: Setting) -> list[Row]:
    """Fill a store once, and report it several times."""
    count = setting.runs(100_000, 20_000)
    path = stored.month(setting.site("report").state, count, JOBS, DAYS, setting.say)
    found = [_made(path) for _ in range(setting.runs(5, 2))]
    took, gained = zip(*found, strict=True)
    remark = f"{DAYS} days, {JOBS:,} jobs, {count:,} alerts"
    return [
        Row("report, made", took, "ms", "1 s", remark),
        Row("report, memory gained", gained, "MiB", "10 MiB", "at the peak"),
    ]


def _made(path: Path) -> tuple[float, float]:
    arguments = [sys.executable, "-c", MAKE, str(path), str(stored.now()), str(DAYS)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr)
    took, gained, *held = json.loads(done.stdout)
    if not all(held):
        raise Failed("the report is empty")
    return took, gained
