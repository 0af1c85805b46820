"""Memory of a daemon that has settled: with the embedded defaults, with everything it can watch, and with the least."""

import time

from bench.daemon import Site
from bench.figures import Row
from bench.setting import Setting
from tests.support.nvml import FakeDriver, compiled

SETTLED = 60.0
"""Seconds after which memory is looked at: by then the logs have been looked for and free memory was given back."""
GPUS = 8
HOOK = '[channels.ops]\ntype = "webhook"\nurl = "http://127.0.0.1:9/hook"\n'
LEAST = "".join(f"[sources.{name}]\nenabled = false\n" for name in ("gpu", "disk", "logs", "kernel", "processes"))


def measure(setting: Setting) -> list[Row]:
    """Start each kind of daemon several times."""
    usual, least, whole = (setting.site(f"memory-{name}") for name in ("usual", "least", "whole"))
    least.configure(LEAST, served=False)
    whole.configure(HOOK)
    folder = setting.folder / "memory-driver"
    folder.mkdir()
    library = compiled(folder)
    if library is not None:  # without a compiler there is no driver, and its child does not start
        whole.environ |= FakeDriver(folder, library, GPUS).environ
    return [
        *_settled(usual, setting, "embedded defaults", "64 MiB, better 60"),
        *_settled(whole, setting, "all sources, 8 GPUs and a webhook", "64 MiB, better 60"),
        *_settled(least, setting, "no server, and no sources but the spool and ends"),
    ]


def _settled(site: Site, setting: Setting, what: str, goal: str = "") -> list[Row]:
    found = []
    for _ in range(setting.runs(5, 2)):
        with site.running() as daemon:
            time.sleep(SETTLED)
            found.append((daemon.resident(), daemon.proportional(), daemon.peak()))
    resident, proportional, peak = zip(*found, strict=True)
    return [
        Row(f"memory, {what}", resident, "MiB", goal, f"resident, {SETTLED:.0f} s after the start"),
        Row("the same, shared pages by their share", proportional, "MiB"),
        Row("the same, at most so far", peak, "MiB", remark="resident"),
    ]
