"""How fast the outbox empties into a webhook on the loopback, one row after the other, each committed twice."""

from bench import stored
from bench.daemon import Failed
from bench.figures import Row
from bench.receiver import Receiver
from bench.setting import Setting

ROWS = 1_000
CONFIGURATION = '[channels.hook]\ntype = "webhook"\nurl = "{url}"\n'


def measure(setting: Setting) -> list[Row]:
    """Start a daemon on a full outbox, several times."""
    found = [_rate(setting, number) for number in range(setting.runs(3, 1))]
    return [Row("outbox, drained", found, "rows/s", remark=f"{ROWS:,} rows to one webhook")]


def _rate(setting: Setting, number: int) -> float:
    """Rows a second, between the first request and the last."""
    site = setting.site(f"drain-{number}")
    stored.queue(site.state, "hook", ROWS)
    with Receiver() as receiver:
        site.configure(CONFIGURATION.format(url=receiver.url))
        with site.running() as daemon:
            if not receiver.wait(ROWS, patience=120.0):
                raise Failed(daemon.said())
    return (ROWS - 1) / (receiver.arrivals[ROWS - 1] - receiver.arrivals[0])
