"""`postableAlerts` of Alertmanager's OpenAPI document, with names that every version takes and no empty label."""

from typing import Annotated

from pydantic import Field, RootModel

from tests.channels.schemas.base import Part

Name = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]


class Alert(Part):
    labels: Annotated[dict[Name, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    annotations: dict[Name, Annotated[str, Field(min_length=1)]]
    startsAt: Time
    endsAt: Time
    generatorURL: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None


Alerts = RootModel[list[Alert]]
