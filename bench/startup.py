"""From the start of the interpreter to READY=1, on a state directory that has been used before."""

from bench.figures import Row
from bench.setting import Setting


def measure(setting: Setting) -> list[Row]:
    """Start and stop the daemon several times."""
    site = setting.site("startup")
    found = []
    for _ in range(setting.runs(15, 4)):
        with site.running() as daemon:
            found.append(daemon.ready_after)
    return [Row("start to ready", found, "s", "1.5 s")]
