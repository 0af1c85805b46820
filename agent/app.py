"""Wires: from accepted settings to sources, channels, notifiers and the evaluator. Knows every class, computes nothing.

Channels are found by the name of their module, so only what the user named is imported.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING

from pydantic import BaseModel

from agent import described, remote, reporting
from agent.config.load import Loaded
from agent.config.schema import Schema
from agent.config.zones import resolve
from agent.core import command_line, message
from agent.core.clock import SECOND, Clock
from agent.core.digest import compose_digest
from agent.core.disk_rules import DiskLimits
from agent.core.message import Message
from agent.core.policy.model import Recipient, Rules
from agent.core.ports import Source
from agent.core.record import WHY
from agent.core.redact import Redactor
from agent.gpus import Gpus, policy_of
from agent.remote_disks import RemoteDisks
from agent.runtime.board import Board
from agent.runtime.evaluator import Settings
from agent.runtime.news import News
from agent.runtime.outlet import Compose, Outlet
from agent.runtime.showing import Showing
from agent.sources import proc
from agent.sources.blocked import BlockedSource
from agent.sources.cgroups import CgroupSource
from agent.sources.disk import Config as DiskConfig
from agent.sources.disk import DiskSource
from agent.sources.exits import ExitSource
from agent.sources.gpu.settings import Config as GpuConfig
from agent.sources.kernel import Config as KernelConfig
from agent.sources.kernel import KernelSource
from agent.sources.logs.settings import remarks as log_remarks
from agent.sources.logs.watcher import Config as LogsConfig
from agent.sources.logs.watcher import LogSource
from agent.sources.mounts import Reach
from agent.sources.processes.settings import Descriptions
from agent.sources.processes.source import Config as ProcessesConfig
from agent.sources.processes.source import ProcessSource
from agent.sources.spool import SpoolSource

if TYPE_CHECKING:
    from agent.channels.shared.base import CommonConfig, Tools


def schema() -> Schema:
    """The settings classes of sources and channels, for the configuration to be read by."""
    return Schema(
        sources={
            "gpu": GpuConfig, "disk": DiskConfig, "logs": LogsConfig, "kernel": KernelConfig,
            "processes": ProcessesConfig,
        },
        channel_types=channel_types(),
        channel_config=lambda kind: _channel_module(kind).Config,
        may_touch=Reach().file,
    )


def channel_types() -> tuple[str, ...]:
    """Every type of channel there is: each module of `agent.channels` is one; what they share is a package there."""
    package = importlib.import_module("agent.channels")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg))


def release() -> str:
    """The version of this distribution; a source tree that was never installed has none."""
    try:
        return version("gpuwarden")
    except PackageNotFoundError:
        return "0+source"


def recipients(loaded: Loaded) -> tuple[Recipient, ...]:
    """The enabled channels as the policy sees them."""
    return tuple(_recipient(name, config) for name, config in _enabled(loaded))


def rules(loaded: Loaded) -> Rules:
    """The user's wishes about alerts as the policy sees them."""
    settings = loaded.settings
    return replace(
        settings.rules(),
        quiet_hours=settings.quiet_hours.rule(lambda name: resolve(name or settings.agent.timezone, os.environ)),
        rate_limit=settings.rate_limit.rule(),
        grouping=settings.grouping.rule(),
        reports=reporting.takers(loaded, recipients(loaded)),
    )


def evaluator_settings(loaded: Loaded) -> Settings:
    """What the evaluator needs of the configuration."""
    settings = loaded.settings
    disk = settings.source("disk", DiskConfig)
    return Settings(
        node=settings.agent.node,
        recipients=recipients(loaded),
        rules=rules(loaded),
        pid_namespace=proc.pid_namespace(),
        labels=settings.agent.labels,
        clean=Redactor(loaded.secrets).clean,
        disk=_disk_limits(disk) if disk.enabled else None,
        gpu=policy_of(settings.source("gpu", GpuConfig)),
        describe=lambda job: described.complete(job, loaded),
        stall=lambda job: described.stall_limits(job, loaded),
    )


def tools(loaded: Loaded, redactor: Redactor, clock: Clock) -> "Tools":
    """What channels may use of the world."""
    from agent.channels.shared.base import Tools  # deferred: commands that send nothing need no HTTP client
    from agent.channels.shared.http import Client, HttpSettings

    http = loaded.settings.http
    agent_name = f"gpuwarden/{release()}"
    return Tools(Client(HttpSettings(http.proxy, http.ca_file, agent_name), clock), clock, redactor, _print)


def outlet(name: str, loaded: Loaded, equipment: "Tools") -> Outlet:
    """Build one channel. Raises KeyError for a name that is not configured."""
    config = _common(loaded.settings.channels[name])
    channel = _channel_module(config.type).Channel(name, config, equipment)
    return Outlet(name, config.type, channel, config.timeout, not config.STATEFUL, config.pictures)


def showing(loaded: Loaded, environ: Mapping[str, str]) -> Showing:
    """What the configuration says about showing alerts to who asks."""
    agent = loaded.settings.agent
    return Showing(
        agent.node, recipients(loaded), Redactor(loaded.secrets), resolve(agent.timezone, environ),
        agent.include_paths, rules(loaded).quiet_hours,
    )  # fmt: skip


def composer(name: str, loaded: Loaded, redactor: Redactor, environ: Mapping[str, str]) -> Compose:
    """Put alerts into words for one channel as the configuration wants them: zone, node, what may be shown."""
    recognises_repeats = _common(loaded.settings.channels[name]).IDEMPOTENT
    agent = loaded.settings.agent
    zone = resolve(agent.timezone, environ)

    def compose(news: News, now: int) -> Message:
        row, uncertain = news.row, news.row.uncertain and not recognises_repeats
        if news.members:
            return compose_digest(
                news.digest, now=now, reason=WHY[row.kind], node=agent.node, redactor=redactor, clock_zone=zone,
                uncertain=uncertain, plain=row.plain, include_paths=agent.include_paths,
            )  # fmt: skip
        return message.compose(
            news.alert, row.kind, now=now, reason=WHY[row.kind], node=agent.node, redactor=redactor, clock_zone=zone,
            uncertain=uncertain, plain=row.plain, references=news.references, include_paths=agent.include_paths,
            chart=news.chart,
        )  # fmt: skip

    return compose


def fixed_changes(before: Loaded, after: Loaded) -> tuple[str, ...]:
    """The settings that differ and that only a new start can change."""
    old, new = before.settings, after.settings
    pairs = {
        "agent.node": (old.agent.node, new.agent.node),
        "agent.state_dir": (old.agent.state_dir, new.agent.state_dir),
        "agent.spool_dir": (old.agent.spool_dir, new.agent.spool_dir),
        "agent.log_format": (old.agent.log_format, new.agent.log_format),
        "server": (old.server, new.server),
    }
    return tuple(key for key, (one, other) in pairs.items() if one != other)


def remarks(loaded: Loaded) -> Iterable[tuple[str, str]]:
    """What `check` should tell of the sources' settings: key and text."""
    return log_remarks(loaded.settings.source("logs", LogsConfig))


def source_settings(loaded: Loaded) -> Mapping[str, object]:
    """What each enabled source is built from, by name; equal settings mean an equal source."""
    disk, logs = loaded.settings.source("disk", DiskConfig), _logs(loaded)
    gpu, kernel = loaded.settings.source("gpu", GpuConfig), loaded.settings.source("kernel", KernelConfig)
    watched = _processes(loaded)
    always: dict[str, object] = {"spool": loaded.spool_dir, "exits": None, "blocked": None}
    chosen = {
        "disk": (disk, loaded.state_dir) if disk.enabled else None,
        RemoteDisks.name: (disk, logs.paths) if disk.enabled else None,
        "logs": logs if logs.enabled else None,
        ProcessSource.name: watched,
        CgroupSource.name: watched and watched[0].interval,
        "gpu": (gpu.interval, gpu.slow_interval) if gpu.enabled else None,
        "kernel": kernel if kernel.enabled else None,
    }
    return always | {name: settings for name, settings in chosen.items() if settings is not None}


def remote_log_settings(loaded: Loaded, board: Board) -> Mapping[str, object]:
    """The log sources of mounts that may hang, as many as are needed now, by name."""
    logs = _logs(loaded)
    return dict.fromkeys(remote.log_mounts(logs, board), logs)


def source(name: str, loaded: Loaded, board: Board, clock: Clock, ring: Callable[[], None]) -> Source:
    """Build one source. `ring` wakes it."""
    if name.startswith(remote.LOGS):
        return remote.log_source(name, _logs(loaded), board, clock)
    settings, logs = loaded.settings, _logs(loaded)
    disk = settings.source("disk", DiskConfig)
    builders: Mapping[str, Callable[[], Source]] = {
        "spool": lambda: SpoolSource(loaded.spool_dir, ring),
        "exits": lambda: ExitSource(board.wanted_processes),
        BlockedSource.name: lambda: BlockedSource(board.suspects),
        "disk": lambda: DiskSource(disk, always=[loaded.state_dir]),
        RemoteDisks.name: lambda: RemoteDisks(lambda: remote.disks(disk, logs, board), clock, disk.interval),
        "logs": lambda: LogSource(logs, wanted=board.wanted_logs, urgent=board.urgent_logs, ring=ring),
        ProcessSource.name: lambda: _process_source(loaded, board),
        CgroupSource.name: lambda: CgroupSource(board.leaders, settings.source("processes", ProcessesConfig).interval),
        Gpus.name: lambda: Gpus(settings.source("gpu", GpuConfig), board.gpus, clock),
        KernelSource.name: lambda: KernelSource(settings.source("kernel", KernelConfig)),
    }
    return builders[name]()


def _logs(loaded: Loaded) -> LogsConfig:
    """The log source's settings, with the logs of the described jobs among its paths."""
    config = loaded.settings.source("logs", LogsConfig)
    paths = (*config.paths, *described.globs(loaded))
    return config.model_copy(update={"paths": tuple(dict.fromkeys(paths))})


def _processes(loaded: Loaded) -> tuple[ProcessesConfig, object] | None:
    """What the process source is built from; None where it is off, or there are no processes to see."""
    config = loaded.settings.source("processes", ProcessesConfig)
    logs = _logs(loaded)
    enabled = proc.is_there() if config.enabled == "auto" else config.enabled
    include = loaded.settings.agent.include_command
    return (config, (described.processes(loaded), logs.enabled and logs.discover, include)) if enabled else None


def _process_source(loaded: Loaded, board: Board) -> ProcessSource:
    logs, include, redactor = _logs(loaded), loaded.settings.agent.include_command, Redactor(loaded.secrets)
    return ProcessSource(
        loaded.settings.source("processes", ProcessesConfig), Descriptions(described.processes(loaded)),
        leaders=board.leaders, progress=board.progress_at, discover=logs.enabled and logs.discover,
        show=(lambda words: command_line.shown(words, redactor)) if include else lambda _: None,
    )  # fmt: skip


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _channel_module(kind: str) -> ModuleType:
    return importlib.import_module(f"agent.channels.{kind}")


def _enabled(loaded: Loaded) -> Iterable[tuple[str, "CommonConfig"]]:
    for name, config in loaded.settings.channels.items():
        common = _common(config)
        if common.enabled:
            yield name, common


def _common(config: BaseModel) -> "CommonConfig":
    from agent.channels.shared.base import CommonConfig  # deferred, as above

    if not isinstance(config, CommonConfig):
        raise TypeError(f"{type(config).__name__} is no channel's settings")
    return config


def _recipient(name: str, config: "CommonConfig") -> Recipient:
    return Recipient(
        name=name,
        type=config.type,
        alerts=None if config.alerts is None else frozenset(config.alerts),
        min_severity=config.min_severity,
        match=config.match,
        quiet_hours=config.quiet_hours,
        max_per_hour=config.max_per_hour,
        stateful=config.STATEFUL,
        program=config.PROGRAM,
    )


def _disk_limits(disk: DiskConfig) -> DiskLimits:
    return DiskLimits(
        disk.warn_percent, disk.critical_percent, disk.clear_margin, disk.inodes, disk.forecast,
        for_ms=round(disk.for_ * SECOND),
    )
