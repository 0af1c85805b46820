"""Publishing as JSON, after docs.ntfy.sh/publish, and what its server takes of it (`MessageSizeLimit`)."""

from typing import Annotated, Literal

from pydantic import Field

from tests.channels.schemas.base import Part, units, utf8

BODY_LIMIT = 2 * 4_096


class View(Part):
    action: Literal["view"]
    label: units(60)
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]


class Publish(Part):
    topic: Annotated[str, Field(pattern=r"^[-_A-Za-z0-9]{1,64}$")]
    title: units(1_000, utf8)
    message: units(4_096, utf8)
    priority: Annotated[int, Field(ge=1, le=5)]
    tags: list[units(50)]
    click: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    actions: Annotated[list[View], Field(min_length=1, max_length=3)] | None = None
