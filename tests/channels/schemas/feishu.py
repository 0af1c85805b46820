"""A custom bot's message, after open.feishu.cn's pages on custom bots and on message cards."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tests.channels.schemas.base import Part, units

BODY_LIMIT = 20 * 1_024


class Plain(Part):
    tag: Literal["plain_text"]
    content: units(15_000)


class Cell(Part):
    is_short: bool
    text: Plain


class Div(Part):
    tag: Literal["div"]
    text: Plain | None = None
    fields: Annotated[list[Cell], Field(min_length=1)] | None = None


class Rule(Part):
    tag: Literal["hr"]


class Button(Part):
    tag: Literal["button"]
    type: Literal["default", "primary", "danger"]
    text: Plain
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]


class Actions(Part):
    tag: Literal["action"]
    actions: Annotated[list[Button], Field(min_length=1)]


class Note(Part):
    tag: Literal["note"]
    elements: Annotated[list[Plain], Field(min_length=1)]


class Header(Part):
    template: Literal[
        "blue", "wathet", "turquoise", "green", "yellow", "orange", "red", "carmine", "violet", "purple", "indigo",
        "grey",
    ]  # fmt: skip
    title: Plain


class Wide(Part):
    wide_screen_mode: Literal[True]


class Card(Part):
    config: Wide
    header: Header
    elements: list[Annotated[Div | Rule | Actions | Note, Field(discriminator="tag")]]


class Text(Part):
    text: Annotated[str, Field(min_length=1, pattern=r"^[^<]+$")]


class Message(Part):
    timestamp: Annotated[str, Field(pattern=r"^\d{10}$")] | None = None
    sign: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")] | None = None
    msg_type: Literal["interactive", "text"]
    card: Card | None = None
    content: Text | None = None

    @model_validator(mode="after")
    def _one(self):
        if (self.card is None) == (self.content is None) or (self.card is None) == (self.msg_type == "interactive"):
            raise ValueError("the type and what is there do not agree")
        if (self.timestamp is None) != (self.sign is None):
            raise ValueError("timestamp and sign belong together")
        return self
