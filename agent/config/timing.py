"""The tables about when and how often people are told: quiet hours, groups, limits, and the sign of life."""

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from agent.config.values import ClockTime, Duration, Table, ZoneName, minutes
from agent.core.clock import SECOND
from agent.core.model import AlertType, Json, Severity
from agent.core.periods import WEEKDAYS
from agent.core.policy.bucket import RateLimit
from agent.core.policy.model import Grouping
from agent.core.policy.windows import QuietHours, Window
from agent.core.redact import Secret

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _url(value: Json) -> Secret:
    if not isinstance(value, str) or not re.match("https?://[^/]", value):
        raise ValueError("found another value, expected a URL that begins with https:// or http://")
    return Secret(value)


def _some(days: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    if not days:
        raise ValueError("found no day, expected at least one")
    return days


class WindowTable(Table):
    """`[[quiet_hours.window]]`: one part of the day, night or week."""

    name: str = Field(default="default", min_length=1, max_length=64)
    days: Annotated[tuple[Weekday, ...], AfterValidator(_some)] = get_args(Weekday)
    """On which it starts."""
    start: ClockTime = "22:00"
    end: ClockTime = "08:00"
    timezone: ZoneName | None = None
    """By default that of `[agent]`."""
    channels: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    alert_types: Annotated[tuple[AlertType, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _lasts(self) -> "WindowTable":
        if self.start == "24:00":
            raise ValueError('found start "24:00", expected "00:00" on the following day')
        if self.start == self.end:
            raise ValueError(
                f'found start and end "{self.start}", expected two different times; for a whole day: start = "00:00" '
                'and end = "24:00"'
            )
        return self

    def window(self, zone: tzinfo) -> Window:
        """The same as the policy wants it."""
        return Window(
            self.name, minutes(self.start), minutes(self.end), zone,
            frozenset(WEEKDAYS.index(day) for day in self.days),
            None if self.channels is None else frozenset(self.channels),
            None if self.alert_types is None else frozenset(self.alert_types),
        )  # fmt: skip


class QuietHoursTable(Table):
    """`[quiet_hours]`: when people are not to be disturbed, and by what all the same."""

    enabled: bool = False
    bypass_severity: Literal["none", "info", "warning", "critical"] = "none"
    mode: Literal["digest", "suppress"] = "digest"
    window: tuple[WindowTable, ...] = ()
    """Without any, one with all its defaults."""

    @property
    def windows(self) -> tuple[WindowTable, ...]:
        """The windows in force."""
        return (self.window or (WindowTable(),)) if self.enabled else ()

    def rule(self, zone_of: Callable[[str | None], tzinfo]) -> QuietHours:
        """The same as the policy wants it. `zone_of` finds a zone by its name, None being that of the agent."""
        return QuietHours(
            tuple(item.window(zone_of(item.timezone)) for item in self.windows),
            None if self.bypass_severity == "none" else Severity.parse(self.bypass_severity),
            suppress=self.mode == "suppress",
        )


class RateLimitTable(Table):
    """`[rate_limit]`: how much a channel for messages takes before the rest is told together."""

    max_per_hour: int = Field(default=30, ge=1, le=3_600)
    burst: int = Field(default=6, ge=1, le=1_000)

    def rule(self) -> RateLimit:
        """The same as the policy wants it."""
        return RateLimit(self.max_per_hour, self.burst)


class GroupingTable(Table):
    """`[grouping]`: what is told together because it belongs together."""

    enabled: bool = True
    by: Annotated[tuple[str, ...], Field(min_length=1)] = ("alert_type",)
    wait: Duration = 10.0
    interval: Duration = 300.0

    def rule(self) -> Grouping | None:
        """The same as the policy wants it."""
        return Grouping(self.by, round(self.wait * SECOND), round(self.interval * SECOND)) if self.enabled else None


class HeartbeatTable(Table):
    """`[heartbeat]`: a URL that hears regularly that all is well, and so notices when it does not."""

    url: Annotated[Secret, PlainValidator(_url), WithJsonSchema({"type": ["string", "object"]})] | None = None
    interval: Annotated[Duration, Field(ge=10)] = 300.0
