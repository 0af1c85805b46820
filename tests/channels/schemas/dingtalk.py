"""A custom robot's message, after open.dingtalk.com's page on message types."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tests.channels.schemas.base import Part

BODY_LIMIT = 20_000
UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*!\[|<(?!br>)")


class Markdown(Part):
    title: Annotated[str, Field(min_length=1)]
    text: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _harmless(self):
        if UNESCAPED.search(self.text):
            raise ValueError("an image or a tag")
        return self


class Text(Part):
    content: Annotated[str, Field(min_length=1)]


class At(Part):
    atMobiles: Annotated[list[str], Field(max_length=0)]
    isAtAll: Literal[False]


class Message(Part):
    msgtype: Literal["markdown", "text"]
    markdown: Markdown | None = None
    text: Text | None = None
    at: At

    @model_validator(mode="after")
    def _one(self):
        if (self.markdown is None) == (self.text is None) or (self.text is None) == (self.msgtype == "text"):
            raise ValueError("the type and what is there do not agree")
        if "gpuwarden" not in (self.markdown.text if self.markdown else self.text.content):
            raise ValueError("no keyword")
        return self
