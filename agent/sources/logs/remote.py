"""The log source of one mount that may hang, as it runs in a child process."""

from collections.abc import Mapping
from typing import Protocol

from agent.core.codec import decode
from agent.core.model import Json
from agent.core.ports import WantedLog
from agent.sources.logs.settings import Config
from agent.sources.logs.watcher import LogSource
from agent.sources.mounts import Reach


class Asked(Protocol):
    """What the parent wants."""

    @property
    def wishes(self) -> Mapping[str, Json]:
        """`wanted`: logs as `WantedLog`; `urgent`: paths."""
        ...


def in_child(settings: Mapping[str, Json], asked: Asked) -> LogSource:
    """Build the source. `settings`: its `name`, the `mountpoint`, and `logs`, the settings of `[sources.logs]`."""
    return LogSource(
        Config.model_validate(settings["logs"]),
        wanted=lambda: [decode(WantedLog, item) for item in asked.wishes.get("wanted") or ()],
        urgent=lambda: list(asked.wishes.get("urgent") or ()),
        ring=_nobody,
        reach=Reach(settings["mountpoint"]),
        name=settings["name"],
    )


def _nobody() -> None:
    """Such mounts tell of no changes."""
