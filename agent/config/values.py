"""The kinds of values that tables are made of, each with what it allows."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from agent.config import zones
from agent.core.model import Json, Severity
from agent.core.units import parse_duration

_CLOCK = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _zone_name(name: str) -> str:
    if name != zones.LOCAL:
        zones.zone(name)
    return name


def _severity(value: Json) -> Severity:
    return value if isinstance(value, Severity) else Severity.parse(str(value))


def minutes(clock: str) -> int:
    """Read a time of day such as "22:00" as minutes after midnight; "24:00" too. Raises ValueError."""
    if not _CLOCK.fullmatch(clock):
        raise ValueError(f'found "{clock}", expected a time of day from "00:00" to "24:00"')
    return int(clock[:2]) * 60 + int(clock[3:])


def _time_of_day(text: str) -> str:
    if not _CLOCK.fullmatch(text) or text == "24:00":
        raise ValueError(f'found "{text}", expected a time of day such as "09:00"')
    return text


def _clock(text: str) -> str:
    minutes(text)
    return text


class Table(BaseModel):
    """A table of the file: frozen, and without room for unknown keys.

    As all settings classes it has no validator before it needs one: as a part of the whole it needs none of its own.
    """

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", arbitrary_types_allowed=True, validate_default=True
    )


Duration = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(parse_duration)]
"""Seconds; written as a text such as "15m", or as a number of seconds."""
SeverityName = Annotated[
    Severity, PlainValidator(_severity), WithJsonSchema({"type": "string", "enum": [str(item) for item in Severity]})
]
ZoneName = Annotated[str, AfterValidator(_zone_name)]
ClockTime = Annotated[str, AfterValidator(_clock)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
"""Hours and minutes, such as "09:00"."""
