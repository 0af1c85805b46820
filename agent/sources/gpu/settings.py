"""`[sources.gpu]`: how often GPUs are looked at, and what the user wants of their rules."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from agent.core.clock import SECOND
from agent.core.gpu_policy import NAMES
from agent.core.gpu_rule import Wish
from agent.core.model import Severity
from agent.core.units import parse_duration


def _rule(name: str) -> str:
    if name not in NAMES:
        expected = ", ".join(map(repr, sorted(NAMES)))
        raise PydanticCustomError("enum", "no GPU rule; expected one of {expected}", {"expected": expected})
    return name


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, allow_inf_nan=False)]
Interval = Annotated[float, BeforeValidator(parse_duration), Field(ge=1, le=3600)]
Limit = Annotated[float, Field(ge=0, allow_inf_nan=False)]
RuleName = Annotated[str, AfterValidator(_rule)]
XidNumber = Annotated[int, Field(ge=1, le=99_999)]
SeverityName = Literal["info", "warning", "critical"]


class RuleTable(BaseModel):
    """`[sources.gpu.rules.NAME]`; what is absent keeps its built-in value."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", populate_by_name=True)

    enabled: bool | None = None
    threshold: Limit | None = None
    clear: Limit | None = None
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    severity: SeverityName | None = None

    def wish(self) -> Wish:
        """The same as the rules want it, in milliseconds."""
        return Wish(
            self.enabled, self.threshold, self.clear, _milliseconds(self.for_), _milliseconds(self.keep_firing_for),
            None if self.severity is None else Severity.parse(self.severity),
        )  # fmt: skip


class Config(BaseModel):
    """`[sources.gpu]`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", validate_default=True)

    enabled: bool = True
    interval: Interval = 10.0
    slow_interval: Interval = 60.0
    expected_count: Annotated[int, Field(ge=0, le=1_024)] | None = None
    xid: Mapping[XidNumber, SeverityName] = Field(default_factory=dict)
    rules: Mapping[RuleName, RuleTable] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        if self.slow_interval < self.interval:
            text = f"found slow_interval {self.slow_interval:g} s below interval {self.interval:g} s"
            raise ValueError(f"{text}, expected it to be at least as long")
        for name, table in self.rules.items():
            NAMES[name].adjusted(table.wish(), name)
        return self


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * SECOND)
