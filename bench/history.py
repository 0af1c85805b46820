"""`history` on a full store: the query with each filter, and the command as a person calls it."""

import sqlite3
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from agent.core.clock import DAY
from agent.core.model import AlertType
from agent.store import history
from agent.store.database import Database
from bench import stored
from bench.daemon import Failed, Site
from bench.figures import Row
from bench.setting import Setting

MS = 1_000
LIMIT = 50
"""What the command shows."""
GOAL = "50 ms"


def measure(setting: Setting) -> list[Row]:
    """Fill a store once, and ask it several times."""
    count = setting.runs(1_000_000, 50_000)
    site = setting.site("history")
    path = stored.history(site.state, count, setting.say)
    half = stored.now() - 45 * DAY
    filters: dict[str, dict[str, Any]] = {
        "newest": {},
        "a period": {"until": half},
        "one type": {"type": AlertType.GPU_OOM},
        "one job": {"job": stored.job(count // stored.ALERTS_A_JOB // 2)},
        "one channel": {"channel": "pager"},
        "type and channel": {"type": AlertType.JOB_FAILED, "channel": "pager"},
    }
    rows = [
        Row(f"history, {name}", _queried(path, chosen, setting.runs(20, 5)), "ms", GOAL, f"{count:,} alerts")
        for name, chosen in filters.items()
    ]
    command = [_commanded(site) for _ in range(setting.runs(5, 2))]
    return [*rows, Row("history, the command", command, "ms", remark="with the start of Python")]


def _queried(path: Path, chosen: dict[str, Any], runs: int) -> list[float]:
    since = stored.now() - 91 * DAY

    def ask(conn: sqlite3.Connection) -> None:
        history.page(conn, since=since, limit=LIMIT, **chosen)

    found = []
    for _ in range(runs):
        with Database.open(path, readonly=True) as database:
            found.append(_timed(partial(database.read, ask)))
    return found


def _commanded(site: Site) -> float:
    command = site.command("history", "--since", "90d", "--limit", str(LIMIT))

    def act() -> None:
        done = subprocess.run(command, env=site.environ, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr)

    return _timed(act)


def _timed(act: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    began = time.perf_counter()
    act()
    return MS * (time.perf_counter() - began)
