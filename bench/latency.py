"""From the end of a process that wrote an out-of-memory error to the first byte at a webhook on the loopback."""

import subprocess
import sys
import time
from pathlib import Path

from bench.daemon import Failed, Site
from bench.figures import Row, percentile
from bench.receiver import Receiver
from bench.setting import Setting

MS = 1_000
PAUSE = 0.5
"""Seconds between two runs."""
CONFIGURATION = """
[rate_limit]  # as many failures in a row are told together otherwise
burst = 1000
[channels.hook]
type = "webhook"
url = "{url}"
alerts = ["job_failed"]
"""
TRAINING = """
import os, sys, time
for step in range(1, 11):
    print(f"step {step}/1000 loss 1.234", flush=True)
    time.sleep(0.1)
print("Traceback (most recent call last):")
print('  File "train.py", line 214, in <module>')
print("    loss = model(**batch).loss")
print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", flush=True)
with open(sys.argv[1], "w") as file:
    file.write(repr(time.monotonic()))
os._exit(1)
"""
"""Trains for a second, runs out of memory, and writes down when it ended as the last thing that it does."""


def measure(setting: Setting) -> list[Row]:
    """Let one daemon watch one training run after the other."""
    site = setting.site("latency")
    with Receiver() as receiver:
        site.configure(CONFIGURATION.format(url=receiver.url))
        with site.running():
            found = [MS * _delay(site, receiver, number) for number in range(setting.runs(30, 6))]
    what = "from out-of-memory to webhook"
    return [
        Row(what, found, "ms", remark="end of the process to the first byte"),
        Row(f"{what}, p99", [percentile(found, 99)], "ms", "300 ms", f"of {len(found)} runs"),
    ]


def _delay(site: Site, receiver: Receiver, number: int) -> float:
    """Seconds from the end of one training run to the request about it."""
    time.sleep(PAUSE)
    before = len(receiver.arrivals)
    script, ended = site.folder / "train.py", site.folder / f"ended-{number}"
    script.write_text(TRAINING, encoding="utf-8")
    log = site.folder / f"train-{number}.log"
    training = (sys.executable, "-S", str(script), str(ended))
    done = subprocess.run(
        site.command("exec", "--log", str(log), "--", *training), env=site.environ, capture_output=True, text=True
    )
    if not receiver.wait(before + 1):
        raise Failed(f"no request came about run {number}\n{done.stderr}")
    return receiver.arrivals[before] - _moment(ended)


def _moment(path: Path) -> float:
    """When a run ended, monotonic seconds: one clock for all processes of this machine."""
    return float(path.read_text(encoding="ascii"))
