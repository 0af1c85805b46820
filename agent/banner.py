"""The first lines of `run`: what is watched, what is not and why, who is told, and how to add a channel."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC

from agent import described
from agent.config.listen import Address
from agent.config.load import CONSOLE, Loaded
from agent.core.local_time import local
from agent.core.model import Sample
from agent.core.policy.model import Recipient
from agent.core.policy.windows import QuietHours, Window, upcoming
from agent.sources.disk import Config as DiskConfig
from agent.sources.gpu import library
from agent.sources.gpu.settings import Config as GpuConfig
from agent.sources.logs.watcher import Config as LogsConfig
from agent.sources.processes.settings import Config as ProcessesConfig
from agent.store.directory import Opened


def banner(
    loaded: Loaded, channels: Collection[Recipient], disks: Collection[Sample],
    absent: Mapping[str, str], address: Address | None, opened: Opened, quiet: QuietHours, now: int,
) -> Iterator[str]:  # fmt: skip
    """One line a subject.

    `disks`: the first samples of the disk source; `absent`: why a source has nothing to look at, by its name; `now` in
    UTC milliseconds.
    """
    yield f"configuration: {loaded.config_path or 'built-in defaults (no file)'}; state in {loaded.state_dir}"
    yield _disks(loaded.settings.source("disk", DiskConfig), disks)
    yield _gpus(loaded.settings.source("gpu", GpuConfig))
    yield _logs(loaded)
    yield from (f"{name}: {reason}" for name, reason in absent.items() if reason != library.ABSENT)
    yield f"events are handed in through {loaded.spool_dir} (gpuwarden emit, gpuwarden exec)"
    yield f"metrics and health: {_page(address) if address else 'off ([server] enabled)'}"
    yield f"channels: {', '.join(f'{item.name} ({item.type})' for item in channels) or 'none'}"
    if not any(item.type != CONSOLE for item in channels):
        yield "nobody but this terminal is told: add a channel, for example by `gpuwarden init` and [channels.NAME]"
    yield from (_window(window, now) for window in quiet.windows)
    if opened.damaged_aside is not None:
        yield f"the database was damaged and is now {opened.damaged_aside}; a new one was begun"
    yield from opened.warnings
    yield from loaded.warnings


def _page(address: Address) -> str:
    return f"{address.url}/metrics" if address.path is None else f"/metrics at {address.url}"


def _window(window: Window, now: int) -> str:
    """A quiet window as its next night, by the clocks of its zone and in UTC, so that a wrong zone is seen."""
    night = upcoming(window, now)
    if night is None:
        return f"quiet hours {window.name!r}: never"
    here, there = (" to ".join(f"{local(at, zone):%a %H:%M}" for at in night) for zone in (window.zone, UTC))
    return f"quiet hours {window.name!r}: {here} {window.zone}, which is {there} UTC"


def _disks(config: DiskConfig, samples: Collection[Sample]) -> str:
    if not config.enabled:
        return "disks: not watched ([sources.disk] enabled)"
    mounts = sorted({sample.labels["mountpoint"] for sample in samples if "mountpoint" in sample.labels})
    limits = f"warning at {config.warn_percent:g} %, critical at {config.critical_percent:g} %"
    return f"disks: {', '.join(mounts) or 'none found'} ({limits})"


def _gpus(config: GpuConfig) -> str:
    if not config.enabled:
        return "GPUs: not watched ([sources.gpu] enabled)"
    return f"GPUs: looked at every {config.interval:g} s" if library.present() else library.ABSENT


def _logs(loaded: Loaded) -> str:
    config = loaded.settings.source("logs", LogsConfig)
    globs = (*config.paths, *described.globs(loaded))
    if not config.enabled:
        return "logs: not watched ([sources.logs] enabled)"
    found = config.discover and loaded.settings.source("processes", ProcessesConfig).enabled is not False
    sought = ["those that running programs write"] if found else []
    if not (globs or sought):
        return "logs: only those of jobs run by `gpuwarden exec --log FILE`; name others in [sources.logs] paths"
    return f"logs: {', '.join((*globs, *sought))}"
