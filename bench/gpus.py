"""GPUs: agent and child beside nvitop-exporter on the same fake driver, one look by number of devices, and a scrape.

The driver is the library that the tests compile, so what is measured is our side alone. The peer is installed into the
folder `build`, where that is possible.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from agent.core.clock import SECOND, Instant
from agent.gpus import Gpus
from agent.runtime.clock import SystemClock
from agent.runtime.gpu_board import GpuBoard
from agent.sources.gpu.settings import Config
from bench.cpu import SETTLED, shares_of
from bench.daemon import KIB, Daemon, Failed, Site, cpu_seconds
from bench.figures import Row
from bench.setting import Setting
from tests.support.nvml import GIB, FakeDriver, compiled

GPUS = 8
INTERVAL = 10
DEVICES = (1, 8, 64)
LOOKS = 120
"""Looks a figure: twenty minutes of a node, in which each slow value is asked twenty times."""
SCRAPES = 30
PEER = Path(__file__).parents[1] / "build" / "nvitop"
PEER_PORT = 19_499
PATIENCE = 60.0


def measure(setting: Setting) -> list[Row]:
    """Run everything on fake drivers."""
    folder = setting.folder / "gpus"
    folder.mkdir()
    library = compiled(folder)
    if library is None:
        return [Row("GPUs", [], "", remark="needs a C compiler for the fake driver")]
    driver = _busy(folder, library, GPUS)
    site = setting.site("gpus-site")
    site.environ |= driver.environ
    site.configure(f'[sources.gpu]\ninterval = "{INTERVAL}s"\n[sources.kernel]\nenabled = false\n')
    none = setting.site("gpus-none")
    none.configure("[sources.gpu]\nenabled = false\n[sources.kernel]\nenabled = false\n")
    rows = _beside_peer(site, none, driver, setting)
    for devices in DEVICES:
        setting.say(f"looking at {devices} GPUs")
        rows += _looks(_busy(setting.site(f"gpus-{devices}").folder, library, devices), devices, setting)
    return rows


def _beside_peer(site: Site, none: Site, driver: FakeDriver, setting: Setting) -> list[Row]:
    """`none`: an agent that watches no GPUs, at the same time, so that what they cost shows."""
    windows = setting.runs(3, 1)
    with site.running() as daemon:
        _child(daemon.pid)  # compiles what the child runs, as an installer does
        time.sleep(SETTLED)
    with site.running() as daemon, none.running() as plain, _peer(driver) as peer:
        child = _child(daemon.pid)
        shares = shares_of([daemon.pid, child, plain.pid, *peer], windows)
        told = f"{GPUS} GPUs, every {INTERVAL} s"
        rows = [
            Row("GPUs, agent", shares[0], "% of a core", remark=told),
            Row("GPUs, child", shares[1], "% of a core", remark=told),
            Row("GPUs, agent and child", [sum(pair) for pair in zip(*shares[:2], strict=True)], "% of a core", "0.5 %"),
            Row("GPUs, an agent without", shares[2], "% of a core", remark="at the same time"),
            Row("GPUs, memory of the agent", [daemon.resident()], "MiB", "64 MiB"),
            Row("GPUs, memory of an agent without", [plain.resident()], "MiB"),
            Row("GPUs, memory of the child", [_resident(child)], "MiB", "20 MiB"),
            Row("GPUs, a scrape of the whole page", _scrapes(_address(daemon)), "ms", "12 ms"),
        ]
        for pid, share in zip(peer, shares[3:], strict=True):
            rows.append(Row("nvitop-exporter", share, "% of a core", remark="the same driver at the same time"))
            rows.append(Row("nvitop-exporter, memory", [_resident(pid)], "MiB"))
    return rows


def _looks(driver: FakeDriver, devices: int, setting: Setting) -> list[Row]:
    """Processor time of one look, of child and parent, under a clock that runs ahead from look to look."""
    source = Gpus(Config(), GpuBoard(), SystemClock())
    source.restore({})
    with driver.in_use():
        source.read(_at(0))
    child = source._isolated._child.pid
    found = []
    for run in range(setting.runs(5, 2)):
        before = cpu_seconds(child) + time.process_time()
        for number in range(1, LOOKS + 1):
            source.read(_at(run * LOOKS + number))
        found.append((cpu_seconds(child) + time.process_time() - before) / LOOKS * SECOND)
    source.close()
    return [Row(f"one look at {devices} GPU{'s' if devices > 1 else ''}", found, "ms", remark="child and parent")]


def _at(number: int) -> Instant:
    seconds = 1_000.0 + number * INTERVAL
    return Instant(round(seconds * SECOND), seconds)


def _busy(folder: Path, library: Path, gpus: int) -> FakeDriver:
    """GPUs in use, with two processes each."""
    driver = FakeDriver(folder, library, gpus)
    for index in range(gpus):
        driver[index].run((1_000 + index, 40 * GIB), (2_000 + index, 2 * GIB))
        driver[index].utilization_gpu, driver[index].power_mw = 97, 612_000
    return driver


def _scrapes(address: str) -> list[float]:
    found = []
    with httpx.Client(trust_env=False) as client:
        for _ in range(SCRAPES):
            began = time.perf_counter()
            client.get(f"{address}/metrics").raise_for_status()
            found.append((time.perf_counter() - began) * SECOND)
    return found


def _address(daemon: Daemon) -> str:
    found = re.search(r"(http://127\.0\.0\.1:\d+)/metrics", daemon.said())
    if found is None:
        raise Failed(daemon.said())
    return found[1]


def _child(daemon: int) -> int:
    """The agent's child that asks the driver."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for listing in Path(f"/proc/{daemon}/task").glob("*/children"):
            for pid in listing.read_text(encoding="ascii").split():
                if b"agent.sources.gpu" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
        time.sleep(0.1)
    raise Failed("no child looks at the GPUs")


def _resident(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")) / KIB


@contextmanager
def _peer(driver: FakeDriver) -> Iterator[Sequence[int]]:
    """Run nvitop-exporter at the same interval; nothing where it cannot be had."""
    command = PEER / "bin" / "nvitop-exporter"
    if not command.exists():
        pip = [PEER / "bin" / "python", "-m", "pip", "install", "--quiet", "nvitop-exporter"]
        made = [subprocess.run(step, check=False) for step in ([sys.executable, "-m", "venv", PEER], pip)]
        if any(step.returncode for step in made):
            yield ()
            return
    arguments = ["--bind-address", "127.0.0.1", "--port", str(PEER_PORT), "--interval", str(INTERVAL)]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(PEER), **driver.environ}
    process = subprocess.Popen(
        [command, *arguments], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield (process.pid,)
    finally:
        process.kill()
        process.wait()
