"""What logs cost at which nothing happens: processor time and memory of a daemon that follows one, a hundred, many."""

from bench.cpu import IDLE_LOG, shares_of
from bench.figures import Row
from bench.setting import Setting

COUNTS = (1, 100, 10_000)


def measure(setting: Setting) -> list[Row]:
    """Let a daemon follow each number of logs, which were there before it."""
    return [row for count in COUNTS for row in _at_rest(setting, count)]


def _at_rest(setting: Setting, count: int) -> list[Row]:
    site = setting.site(f"rest-{count}")
    logs = site.folder / "logs"
    logs.mkdir()
    for number in range(count):
        (logs / f"idle-{number}.log").write_text(IDLE_LOG, encoding="utf-8")
    site.configure(f'[sources.logs]\npaths = ["{logs}/*.log"]\ndiscover = false\n')  # not what others write here
    with site.running() as daemon:
        shares = shares_of([daemon.pid], setting.runs(3, 1))[0]
        memory = daemon.resident()
    what = f"{count:,} log{'s' if count > 1 else ''} at rest"
    return [Row(f"processor, {what}", shares, "% of a core"), Row(f"memory, {what}", [memory], "MiB")]
