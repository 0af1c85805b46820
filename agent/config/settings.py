"""The frozen settings: every table and key of the file, with defaults and limits.

The tables of sources and channels are the `Config` classes of those rooms; `schema.py` puts them in. Nothing here reads
a file; the only outside thing looked at is the zone database, to refuse a zone that does not exist.
"""

import re
import socket
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PlainValidator,
    SerializeAsAny,
    WithJsonSchema,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent.config import listen as addresses
from agent.config import locate, zones
from agent.config.environment import NESTING, PREFIX
from agent.config.timing import GroupingTable, HeartbeatTable, QuietHoursTable, RateLimitTable
from agent.config.values import Duration, SeverityName, Table, TimeOfDay, ZoneName
from agent.core.clock import SECOND
from agent.core.model import AlertType, Json
from agent.core.periods import WEEKDAYS, Schedule
from agent.core.policy.model import DEFAULT_COOLDOWN, Rules, TypeRule
from agent.core.redact import Secret

Model = TypeVar("Model", bound=BaseModel)


def _absolute(path: Path) -> Path:
    path = locate.expanded(path)
    if not path.is_absolute():
        raise ValueError(f'found "{path}", expected an absolute path')
    return path


def _glob(path: str) -> str:
    path = str(locate.expanded(path)) if path.startswith("~") else path
    if not path.startswith("/"):
        raise ValueError(f'found "{path}", expected an absolute path or pattern')
    return path


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'found "{text}", expected a regular expression: {error}') from None
    return text


def _listen(text: str) -> str:
    addresses.parse(text)
    return text


def _proxy(value: Json) -> Secret:
    if not isinstance(value, str) or not re.match("http://[^/]", value):
        raise ValueError('found another value, expected a proxy as "http://host:port"')
    return Secret(value)


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
LabelName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A label name that Prometheus takes too."""
ProxyUrl = Annotated[Secret, PlainValidator(_proxy), WithJsonSchema({"type": ["string", "object"]})]
"""A secret, since it may hold a password. Plain http to the proxy: what passes it is under TLS of its own."""


class AgentTable(Table):
    """`[agent]`: who and where this agent is."""

    node: str = Field(default_factory=socket.gethostname, min_length=1, max_length=253)
    labels: Mapping[LabelName, str] = Field(default_factory=dict)
    timezone: ZoneName = zones.LOCAL
    state_dir: AbsolutePath = locate.SYSTEM_STATE
    spool_dir: AbsolutePath = locate.SYSTEM_STATE / locate.SPOOL
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    include_paths: bool = False
    include_command: bool = False
    include_user: bool = False


class ServerTable(Table):
    """`[server]`: the metrics and health endpoints."""

    enabled: bool = True
    listen: Annotated[str, AfterValidator(_listen)] = addresses.DEFAULT
    allowed_hosts: tuple[str, ...] = ()
    """Names that a `Host` header may have, besides the address, loopback names and IP literals."""

    @property
    def address(self) -> addresses.Address:
        """Where to listen, taken apart."""
        return addresses.parse(self.listen)


class HttpTable(Table):
    """`[http]`: how channels reach the outside."""

    proxy: ProxyUrl | None = None
    ca_file: AbsolutePath | None = None


class StoreTable(Table):
    """`[store]`: how long history is kept."""

    retention: Duration = 90 * 86_400.0
    max_rows: int = Field(default=1_000_000, ge=1_000)


Silence = Annotated[Duration, Field(ge=60)]
"""Less than a minute says nothing: progress is read every few seconds only."""


class JobTable(Table):
    """`[[jobs.job]]`: a job that the user describes, known by its log, or by its leading process."""

    name: str = Field(min_length=1)
    log: Annotated[str, AfterValidator(_glob)] | None = None
    pid_file: AbsolutePath | None = None
    command: Annotated[str, AfterValidator(_expression)] | None = None
    """Searched in the command line, its words joined by blanks."""
    model: str | None = None
    stall_after: Silence | None = None
    link: str | None = Field(default=None, pattern="^https?://")

    @model_validator(mode="after")
    def _known_by_something(self) -> "JobTable":
        if self.log is None and self.pid_file is None and self.command is None:
            raise ValueError("found none of log, pid_file and command, expected one by which the job is known")
        return self


class JobsTable(Table):
    """`[jobs]`: how long a job may make no progress."""

    stall_after: Silence = 1_800.0
    warmup: Silence = 1_800.0
    job: tuple[JobTable, ...] = ()


class AlertTable(Table):
    """`[alerts.TYPE]`: the user's wishes for one type; what is absent keeps its built-in behaviour."""

    enabled: bool | None = None
    severity: SeverityName | None = None
    cooldown: Duration = DEFAULT_COOLDOWN / SECOND
    repeat: Annotated[Duration, Field(gt=0)] | None = None

    def rule(self) -> TypeRule:
        """The same as the policy wants it, in milliseconds."""
        repeat = None if self.repeat is None else round(self.repeat * SECOND)
        return TypeRule(self.enabled, self.severity, round(self.cooldown * SECOND), repeat)


class ReportTable(Table):
    """`[reports.daily]`: when a report is made, and who receives it."""

    enabled: bool = False
    time: TimeOfDay = "09:00"
    channels: tuple[str, ...] | None = None
    """Channels by name; None for those that list the report's type, else for e-mail."""


class WeeklyTable(ReportTable):
    """`[reports.weekly]`: the same on one day of the week."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"


class ReportsTable(Table):
    """`[reports]`: what is told on schedule."""

    daily: ReportTable = Field(default_factory=ReportTable)
    weekly: WeeklyTable = Field(default_factory=WeeklyTable)

    def of(self, kind: AlertType) -> ReportTable:
        """The wishes for the report of this type."""
        return self.weekly if kind is AlertType.WEEKLY_DIGEST else self.daily

    def schedule(self, kind: AlertType) -> Schedule:
        """When the report of this type is due."""
        return Schedule(kind, time.fromisoformat(self.of(kind).time), WEEKDAYS.index(self.weekly.day))


class Settings(BaseSettings):
    """Everything the user decides. `schema.py` derives the class whose `sources` and `channels` are known."""

    model_config = SettingsConfigDict(
        defer_build=True, env_prefix=PREFIX, env_nested_delimiter=NESTING, frozen=True, extra="forbid",
        validate_default=True,
    )  # fmt: skip

    agent: AgentTable = Field(default_factory=AgentTable)
    server: ServerTable = Field(default_factory=ServerTable)
    http: HttpTable = Field(default_factory=HttpTable)
    store: StoreTable = Field(default_factory=StoreTable)
    jobs: JobsTable = Field(default_factory=JobsTable)
    alerts: Mapping[AlertType, AlertTable] = Field(default_factory=dict)
    quiet_hours: QuietHoursTable = Field(default_factory=QuietHoursTable)
    rate_limit: RateLimitTable = Field(default_factory=RateLimitTable)
    grouping: GroupingTable = Field(default_factory=GroupingTable)
    heartbeat: HeartbeatTable = Field(default_factory=HeartbeatTable)
    reports: ReportsTable = Field(default_factory=ReportsTable)
    sources: BaseModel = Field(default_factory=Table)
    channels: Mapping[str, SerializeAsAny[BaseModel]] = Field(default_factory=dict)

    def source(self, name: str, kind: type[Model]) -> Model:
        """Return the settings of one source, whose class the caller knows. Raises TypeError if it is another."""
        found = getattr(self.sources, name)
        if not isinstance(found, kind):
            raise TypeError(f"the settings of source {name} are {type(found).__name__}, not {kind.__name__}")
        return found

    def rules(self) -> Rules:
        """The user's rules by type of alert, as the policy wants them."""
        return Rules({kind: table.rule() for kind, table in self.alerts.items()})
