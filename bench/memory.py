"""Resident memory of a daemon that runs with the embedded defaults and has settled."""

import time

from bench.figures import Row
from bench.setting import Setting

SETTLED = 10.0
"""Seconds after which memory is looked at."""


def measure(setting: Setting) -> list[Row]:
    """Start the daemon several times."""
    site = setting.site("memory")
    found = []
    for _ in range(setting.runs(5, 2)):
        with site.running() as daemon:
            time.sleep(SETTLED)
            found.append((daemon.resident(), daemon.peak()))
    resident, peak = zip(*found, strict=True)
    return [
        Row("memory, resident", resident, "MiB", "64 MiB, better 60", f"{SETTLED:.0f} s after the start"),
        Row("memory, peak", peak, "MiB", remark="while starting"),
    ]
