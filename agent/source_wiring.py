"""Builds the sources that the configuration asks for: add one here, once its class and its settings are written."""

from collections.abc import Callable, Iterable, Mapping

from agent import described, remote
from agent.config.load import Loaded
from agent.core import command_line
from agent.core.clock import Clock
from agent.core.ports import Source
from agent.core.redact import Redactor
from agent.gpus import Gpus
from agent.remote_disks import RemoteDisks
from agent.runtime.board import Board
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
from agent.sources.processes.settings import Descriptions
from agent.sources.processes.source import Config as ProcessesConfig
from agent.sources.processes.source import ProcessSource
from agent.sources.shutdown import ShutdownSource
from agent.sources.spool import SpoolSource


def source_settings(loaded: Loaded) -> Mapping[str, object]:
    """What each enabled source is built from, by name; equal settings mean an equal source."""
    disk, logs = loaded.settings.source("disk", DiskConfig), _logs(loaded)
    gpu, kernel = loaded.settings.source("gpu", GpuConfig), loaded.settings.source("kernel", KernelConfig)
    watched = _processes(loaded)
    always: dict[str, object] = {"spool": loaded.spool_dir, "exits": None, "blocked": None, "shutdown": None}
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
        ShutdownSource.name: ShutdownSource,
        "disk": lambda: DiskSource(disk, always=[loaded.state_dir]),
        RemoteDisks.name: lambda: RemoteDisks(lambda: remote.disks(disk, logs, board), clock, disk.interval),
        "logs": lambda: LogSource(logs, wanted=board.wanted_logs, urgent=board.urgent_logs, ring=ring),
        ProcessSource.name: lambda: _process_source(loaded, board),
        CgroupSource.name: lambda: CgroupSource(board.leaders, settings.source("processes", ProcessesConfig).interval),
        Gpus.name: lambda: Gpus(settings.source("gpu", GpuConfig), board.gpus, clock),
        KernelSource.name: lambda: KernelSource(settings.source("kernel", KernelConfig)),
    }
    return builders[name]()


def remarks(loaded: Loaded) -> Iterable[tuple[str, str]]:
    """What `check` should tell of the sources' settings: key and text."""
    return log_remarks(loaded.settings.source("logs", LogsConfig))


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
