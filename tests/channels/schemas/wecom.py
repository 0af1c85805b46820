"""A group bot's message, after developer.work.weixin.qq.com's page on group bots."""

import re
from typing import Literal

from pydantic import model_validator

from tests.channels.schemas.base import Part, units, utf8

COLOUR = re.compile(r'<font color="(?:info|comment|warning)">|</font>')


class Markdown(Part):
    content: units(4_096, utf8)

    @model_validator(mode="after")
    def _harmless(self):
        if self.content.count("<font ") != self.content.count("</font>") or "<" in COLOUR.sub("", self.content):
            raise ValueError("a tag or a mention")
        return self


class Text(Part):
    content: units(2_048, utf8)

    @model_validator(mode="after")
    def _harmless(self):
        if "<" in self.content:
            raise ValueError("a tag or a mention")
        return self


class Message(Part):
    msgtype: Literal["markdown", "text"]
    markdown: Markdown | None = None
    text: Text | None = None

    @model_validator(mode="after")
    def _one(self):
        if (self.markdown is None) == (self.text is None) or (self.text is None) == (self.msgtype == "text"):
            raise ValueError("the type and what is there do not agree")
        return self
