"""An event, after PagerDuty's documentation of the Events API v2 and its published OpenAPI document."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from tests.channels.schemas.base import Part, units

BODY_LIMIT = 512_000


class Link(Part):
    href: Annotated[str, Field(pattern=r"^https?://\S+$")]
    text: str


class Payload(Part):
    summary: units(1_024)
    source: Annotated[str, Field(min_length=1)]
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    component: str | None = None
    group: str | None = None
    event_class: Annotated[str | None, Field(alias="class")] = None
    custom_details: dict[str, JsonValue]


class Event(Part):
    routing_key: units(32, least=32)
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: units(255)
    payload: Payload
    client: str | None = None
    client_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    links: list[Link] | None = None
