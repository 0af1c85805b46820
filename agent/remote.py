"""What lies on mounts that may hang: which of them matter now, and the log sources that look at them from children."""

from collections.abc import Iterable, Mapping

from agent.core.clock import Clock
from agent.core.codec import encode
from agent.core.model import Json
from agent.runtime.board import Board
from agent.runtime.isolated import Isolated, Isolation
from agent.sources import mounts
from agent.sources.disk import Config as DiskConfig
from agent.sources.logs.globs import fixed_folder
from agent.sources.logs.log import RESTING_EVERY
from agent.sources.logs.settings import Config as LogsConfig
from agent.sources.mounts import MOUNT_TABLE, Mount

LOGS = "logs:"
"""What the name of a mount's log source begins with; the mount point follows."""
FACTORY = "agent.sources.logs.remote:in_child"
LOOK_WITHIN = 10.0
"""Seconds that one look at the logs of a mount may take: a slow server is not a dead one."""


def disks(config: DiskConfig, logs: LogsConfig, board: Board) -> list[Mount]:
    """The mounts that may hang and are to be measured: those named, and those that hold watched logs."""
    named = () if config.paths == "auto" else map(str, config.paths)
    return _away((*named, *_places(logs, board)))


def log_mounts(logs: LogsConfig, board: Board) -> frozenset[str]:
    """The names of the log sources that are needed now, one a mount that may hang."""
    if not logs.enabled:
        return frozenset()
    return frozenset(LOGS + mount.mountpoint for mount in _away(_places(logs, board)))


def log_source(name: str, logs: LogsConfig, board: Board, clock: Clock) -> Isolated:
    """Build the log source of one mount, which runs in a child process."""
    mountpoint = name.removeprefix(LOGS)
    here = [pattern for pattern in logs.paths if _holds(mountpoint, fixed_folder(pattern))]
    own = logs.model_copy(update={"paths": tuple(here)}).model_dump(mode="json")
    settings = {"name": name, "mountpoint": mountpoint, "logs": own}

    def wishes() -> Mapping[str, Json]:
        return {"wanted": [encode(log) for log in board.wanted_logs()], "urgent": sorted(board.urgent_logs())}

    return Isolated(Isolation(name, FACTORY, settings, RESTING_EVERY, LOOK_WITHIN), clock, wishes)


def _places(logs: LogsConfig, board: Board) -> Iterable[str]:
    """Where logs are: the folders that patterns name, and the logs of jobs."""
    return (*map(fixed_folder, logs.paths), *(log.path for log in board.wanted_logs()))


def _away(paths: Iterable[str]) -> list[Mount]:
    table = _table()
    found = (mounts.leads_away(path, table) for path in dict.fromkeys(paths))
    return list(dict.fromkeys(mount for mount in found if mount is not None))


def _holds(mountpoint: str, path: str) -> bool:
    return any(mount.mountpoint == mountpoint for mount in _away([path]))


def _table() -> tuple[Mount, ...]:
    try:
        return mounts.parse(MOUNT_TABLE.read_bytes())
    except OSError:
        return ()
