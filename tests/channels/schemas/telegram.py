"""`sendMessage` of the Bot API 10.1, and the HTML that it parses."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tests.channels.schemas.base import Part, utf16

TAGS = {
    "b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "code", "pre", "blockquote",
    "tg-emoji",
}  # fmt: skip
TOKEN = re.compile(r"<(/?)([a-z-]+)((?: [a-z]+=\"[^\"<>]*\")*)>|&(?:lt|gt|amp|quot|#\d+|#x[0-9a-f]+);|[^<>&]+")


class Preview(Part):
    is_disabled: Literal[True]


class Reply(Part):
    message_id: int
    allow_sending_without_reply: Literal[True]


class SendMessage(Part):
    chat_id: int | Annotated[str, Field(pattern=r"^@\w+$")]
    text: str
    parse_mode: Literal["HTML"] | None = None
    message_thread_id: Annotated[int, Field(gt=0)] | None = None
    disable_notification: bool | None = None
    link_preview_options: Preview
    reply_parameters: Reply | None = None

    @model_validator(mode="after")
    def _parsed(self):
        found = list(faults_of_markup(self.text)) if self.parse_mode else []
        shown = parsed(self.text) if self.parse_mode and not found else self.text
        if not 1 <= utf16(shown.strip()) <= utf16(shown) <= 4_096:
            found.append(f"{utf16(shown)} units after parsing")
        if found:
            raise ValueError("; ".join(found))
        return self


def faults_of_markup(text: str) -> Iterator[str]:
    """What Telegram answers with "can't parse entities"."""
    opened, at = [], 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            yield f"cannot be parsed at {at}: {text[at : at + 20]!r}"
            return
        at = token.end()
        closing, name, _ = token.groups()
        if name is None:
            continue
        if name not in TAGS:
            yield f"unsupported start tag {name}"
        elif not closing:
            opened.append(name)
        elif not opened or opened.pop() != name:
            yield f"unexpected end tag {name}"
    if opened:
        yield f"no end tag for {opened}"


def parsed(text: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", text))
