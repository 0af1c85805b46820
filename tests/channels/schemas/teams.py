"""A message with an Adaptive Card 1.4 in it, after adaptivecards.io's explorer and Teams' page on Workflows.

Only elements and actions that a webhook can use are here: no input, no Submit, no Execute. Names and values agree with
the models of the package `microsoft-teams-cards` 2.1.1, which refuse neither unknown keys nor unknown values.
"""

from typing import Annotated, Literal

from pydantic import Field, HttpUrl

from tests.channels.schemas.base import Part, units

Text = units(20_000)
Url = Annotated[HttpUrl, Field(strict=False)]


class Fact(Part):
    title: Text
    value: Text


class TextBlock(Part):
    type: Literal["TextBlock"]
    text: Text
    wrap: Literal[True]
    size: Literal["Small", "Default", "Medium", "Large", "ExtraLarge"] = "Default"
    weight: Literal["Lighter", "Default", "Bolder"] = "Default"
    color: Literal["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"] = "Default"
    isSubtle: bool = False
    fontType: Literal["Default", "Monospace"] = "Default"
    separator: bool = False


class FactSet(Part):
    type: Literal["FactSet"]
    facts: Annotated[list[Fact], Field(min_length=1)]


class Container(Part):
    type: Literal["Container"]
    id: units(200)
    style: Literal["default", "emphasis", "good", "attention", "warning", "accent"]
    bleed: bool = False
    items: Annotated[list[TextBlock], Field(min_length=1)]


class OpenUrl(Part):
    type: Literal["Action.OpenUrl"]
    title: units(500)
    url: Url


class Width(Part):
    width: Literal["full"]


Element = Annotated[TextBlock | FactSet | Container, Field(discriminator="type")]


class Card(Part):
    schema_: Annotated[Literal["http://adaptivecards.io/schemas/adaptive-card.json"], Field(alias="$schema")]
    type: Literal["AdaptiveCard"]
    version: Literal["1.4"]
    msteams: Width
    body: Annotated[list[Element], Field(min_length=1)]
    actions: Annotated[list[OpenUrl], Field(min_length=1, max_length=6)] | None = None


class Attachment(Part):
    contentType: Literal["application/vnd.microsoft.card.adaptive"]
    contentUrl: None
    content: Card


class Message(Part):
    type: Literal["message"]
    attachments: Annotated[list[Attachment], Field(min_length=1, max_length=1)]
