"""File systems: how much room is left on the node's own disks.

Looks at local mounts only, which answer from this kernel alone; `remote_disks` looks at the others. What the numbers
mean is decided in `core/disk_rules`.
"""

import logging
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from agent.core.clock import Instant
from agent.core.model import Json, Sample
from agent.core.ports import Reading, Unavailable
from agent.core.units import parse_duration
from agent.sources import mounts
from agent.sources.filesystem import failed, measure
from agent.sources.mounts import MOUNT_TABLE, Mount, NotLocal, NotWatchable

NOT_BY_ITSELF = "network and user-space mounts are measured if named, or if a watched log is on them"

_log = logging.getLogger(__name__)


def _absolute(path: Path) -> Path:
    path = Path(os.path.expanduser(path))  # noqa: PTH111 - leaves a home that nobody knows to the next line
    if not path.is_absolute():
        raise ValueError(f'found "{path}", expected an absolute path')
    return path


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Config(BaseModel):
    """`[sources.disk]`."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", validate_default=True, populate_by_name=True
    )

    enabled: bool = True
    interval: Annotated[Duration, Field(ge=1)] = 30.0
    paths: Literal["auto"] | tuple[AbsolutePath, ...] = "auto"
    warn_percent: Percent = 90.0
    critical_percent: Percent = 97.0
    clear_margin: Percent = 3.0
    inodes: bool = True
    forecast: bool = True
    for_: Duration = Field(default=60.0, alias="for")

    @model_validator(mode="after")
    def _ordered(self) -> "Config":
        if self.warn_percent > self.critical_percent:
            raise ValueError(
                f"found warn_percent {self.warn_percent:g} above critical_percent {self.critical_percent:g}, "
                "expected it to be lower"
            )
        return self


class DiskSource:
    """Measures every chosen file system once a look. One that fails is told of and spoils no other."""

    name = "disk"

    def __init__(self, config: Config, always: Collection[Path] = (), table: Path = MOUNT_TABLE) -> None:
        """`always`: paths whose file system is watched whatever the configuration says, such as the state directory."""
        self.interval = config.interval
        self.watched: tuple[str, ...] = ()
        """Mount points measured by the last look."""
        self.skipped: tuple[str, ...] = ()
        """What the last look left out, each with the reason."""
        self._auto = config.paths == "auto"
        self._paths = (*(() if config.paths == "auto" else config.paths), *always)
        self._table = table

    def restore(self, checkpoint: Json) -> None:
        """Nothing is kept between two runs."""

    def read(self, now: Instant) -> Reading:  # noqa: ARG002 - readings carry no time of their own
        """Measure. Raises Unavailable where nothing can be measured at all."""
        chosen, skipped = self._choose()
        samples: list[Sample] = []
        watched = []
        for mount in chosen:
            try:
                samples += measure(mount)
                watched.append(mount.mountpoint)
            except OSError as error:
                skipped.append(f"{mount}: {error.strerror}")
                samples += failed(mount, error)
        self._tell(skipped)
        self.watched, self.skipped = tuple(watched), tuple(skipped)
        if not watched:
            raise Unavailable("; ".join(skipped) or "no local file system is mounted; name some in `paths`")
        return Reading(samples=tuple(samples))

    def close(self) -> None:
        """Nothing is held open."""

    def _choose(self) -> tuple[list[Mount], list[str]]:
        """The mounts to measure, and what is left out."""
        try:
            table = mounts.parse(self._table.read_bytes())
        except FileNotFoundError:
            raise Unavailable(f"{self._table} does not exist: disks are watched on Linux with /proc only") from None
        chosen, skipped = _by_themselves(table) if self._auto else ([], [])
        for path in self._paths:
            try:
                chosen.append(mounts.locate(path, table))
            except NotLocal:
                continue  # a child measures it
            except NotWatchable as error:
                skipped.append(str(error))
        return _without_repeats(chosen), skipped

    def _tell(self, skipped: Iterable[str]) -> None:
        for note in skipped:
            if note not in self.skipped:
                _log.warning("not watched: %s", note)


def _by_themselves(table: Collection[Mount]) -> tuple[list[Mount], list[str]]:
    """The disks among all mounts, and notes on the mounts that may hang. Containers mount single files too."""
    disks = [mount for mount in mounts.disks(table) if not os.path.isfile(mount.mountpoint)]  # noqa: PTH113 - a text
    skipped = [f"{mount}: {NOT_BY_ITSELF}" for mount in mounts.remote(table)]
    return disks, skipped


def _without_repeats(chosen: Iterable[Mount]) -> list[Mount]:
    """Keep the first of the mounts that share a device; pseudo devices such as `tmpfs` are told apart by place."""
    kept: dict[tuple[str, str], Mount] = {}
    for mount in chosen:
        on_disk = mount.fstype in mounts.DISKS
        kept.setdefault((mount.device, "" if on_disk else mount.mountpoint), mount)
    return list(kept.values())
