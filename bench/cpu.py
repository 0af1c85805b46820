"""Processor time of a daemon that follows idle logs and busy bars, beside mtail on the same files."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.daemon import Site, cpu_seconds
from bench.figures import Row
from bench.setting import Setting

IDLE = 90
BARS = 10
WRITES_A_SECOND = 10
SETTLED = 10.0
"""Seconds between the start and the first window."""
WINDOW = 30.0
"""Seconds; the kernel counts processor time in hundredths, so a shorter window would be coarse."""
PERCENT = 100
IDLE_LOG = "".join(f"epoch 1 step {step} loss {2 / step:.4f} lr 0.0003\n" for step in range(1, 400))
MTAIL_PROGRAM = r"""
counter out_of_memory
gauge step

/CUDA out of memory/ {
  out_of_memory++
}
/\| (?P<step>\d+)\/\d+ \[/ {
  step = $step
}
"""


def measure(setting: Setting) -> list[Row]:
    """Look at the processor time of several windows, first with no logs at all."""
    windows = setting.runs(3, 1)
    site = setting.site("none")
    site.configure("[sources.logs]\ndiscover = false\n")
    with site.running() as daemon:
        none = shares_of([daemon.pid], windows)[0]
    found = _with_logs(setting.site("cpu"), windows)
    rows = [Row("processor, no logs", none, "% of a core", remark=f"windows of {WINDOW:.0f} s")]
    return rows + found


def _with_logs(site: Site, windows: int) -> list[Row]:
    logs = site.folder / "logs"
    bars = _make_logs(logs)
    site.configure(f'[sources.logs]\npaths = ["{logs}/*.log"]\ndiscover = false\n')  # not what others write here
    with site.running() as daemon, _writing(bars), _mtail(site.folder, logs) as peer:
        shares = shares_of([daemon.pid, *peer], windows)
        memory = daemon.resident()
    told = f"{IDLE} idle logs, {BARS} bars at {WRITES_A_SECOND} writes a second"
    rows = [
        Row("processor, with logs", shares[0], "% of a core", "0.4 %", told),
        Row("memory, with logs", [memory], "MiB", "64 MiB, better 60", "after these windows"),
    ]
    if not peer:
        return rows
    ratios = [own / other for own, other in zip(*shares, strict=True)]
    return [
        *rows,
        Row("processor, mtail", shares[1], "% of a core", remark="the same logs at the same time, two patterns"),
        Row("processor, agent to mtail", ratios, "to 1"),
    ]


def shares_of(pids: Sequence[int], windows: int) -> list[list[float]]:
    """By process: the share of one core, in percent, that it used in each window."""
    time.sleep(SETTLED)
    shares: list[list[float]] = [[] for _ in pids]
    for _ in range(windows):
        before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
        time.sleep(WINDOW)
        after, took = [cpu_seconds(pid) for pid in pids], time.monotonic() - began
        for share, start, end in zip(shares, before, after, strict=True):
            share.append(PERCENT * (end - start) / took)
    return shares


def _make_logs(folder: Path) -> list[Path]:
    """Make all logs; returns those that bars are drawn in."""
    folder.mkdir()
    for number in range(IDLE):
        (folder / f"idle-{number}.log").write_text(IDLE_LOG, encoding="utf-8")
    bars = [folder / f"bar-{number}.log" for number in range(BARS)]
    for path in bars:
        path.write_text(IDLE_LOG, encoding="utf-8")
    return bars


@contextmanager
def _writing(paths: Sequence[Path]) -> Iterator[None]:
    """Redraw a bar in each file, from a thread, until the end of the block."""
    ended = threading.Event()
    thread = threading.Thread(target=_draw, args=(paths, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _draw(paths: Sequence[Path], ended: threading.Event) -> None:
    files = [path.open("ab", buffering=0) for path in paths]
    step, total = 0, 100_000
    while not ended.wait(1 / WRITES_A_SECOND):
        step += 1
        bar = f"\r{PERCENT * step // total:3}%|█▏        | {step}/{total} [00:42<1:10:00, 23.75it/s, loss=1.234]"
        for file in files:
            file.write(bar.encode())
    for file in files:
        file.close()


@contextmanager
def _mtail(folder: Path, logs: Path) -> Iterator[list[int]]:
    """Run mtail on the logs, if it is installed; gives its process id, if there is one."""
    command = shutil.which("mtail")
    if command is None:
        yield []
        return
    (folder / "training.mtail").write_text(MTAIL_PROGRAM, encoding="utf-8")
    arguments = ("--progs", folder / "training.mtail", "--logs", logs / "*.log", "--address", "127.0.0.1")
    with (folder / "mtail.log").open("wb") as output:
        process = subprocess.Popen(
            [command, *arguments, "--port", str(_free_port()), "--logtostderr"], stdout=output, stderr=output
        )
    try:
        yield [process.pid]
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
