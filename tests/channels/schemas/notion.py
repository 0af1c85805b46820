"""A page, after Notion's reference for the version 2025-09-03 and the types of `@notionhq/client`."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from tests.channels.schemas.base import Part, units, utf16

Url = Annotated[str, Field(pattern=r"^https?://\S+$", max_length=2_000)]


class Link(Part):
    url: Url


class Content(Part):
    content: units(2_000, utf16)
    link: Link | None = None


class RichText(Part):
    type: Literal["text"]
    text: Content


Texts = Annotated[list[RichText], Field(min_length=1, max_length=100)]


class Option(Part):
    name: Annotated[str, Field(pattern=r"^[^,]{1,100}$")]


class Date(Part):
    start: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT")]


class Property(Part):
    """One of these alone."""

    title: Texts | None = None
    rich_text: Texts | None = None
    select: Option | None = None
    multi_select: list[Option] | None = None
    status: Option | None = None
    number: float | None = None
    date: Date | None = None
    checkbox: bool | None = None
    url: Url | None = None


class Block(Part):
    rich_text: Texts


class Code(Part):
    rich_text: Texts
    language: Literal["plain text", "python", "bash", "json"]


class Child(Part):
    type: Literal["paragraph", "bulleted_list_item", "code", "callout"]
    paragraph: Block | None = None
    bulleted_list_item: Block | None = None
    code: Code | None = None
    callout: Block | None = None


Children = Annotated[list[Child], Field(max_length=100)]


class Parent(Part):
    type: Literal["data_source_id"]
    data_source_id: str


class Page(Part):
    parent: Parent
    properties: dict[str, Property]
    children: Children


class Appended(Part):
    children: Children


Carrying = RootModel[Page | Appended]
BODY_LIMIT = 500_000
