"""Posts to a WeCom (WeChat Work) group through a group bot, as Markdown.

The bot takes little: 4,096 bytes of Markdown, 2,048 of text. HTTP 200 says nothing here, the errcode in the body does.
WeCom offers no idempotency.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from agent.channels.shared.base import UrlConfig
from agent.channels.shared.codes import BAD, BUSY, FORBIDDEN, Meaning, judge_code
from agent.channels.shared.exchange import Request, Response
from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import Markup, in_parentheses, indented, plain_text
from agent.channels.shared.posting import JSON_HEADERS, Posting, encoded
from agent.core.message import Message
from agent.core.model import Json, Severity, Status
from agent.core.ports import Receipt, SendErrorKind
from agent.core.text import utf8

MARKDOWN_LIMIT, TEXT_LIMIT = 4_096, 2_048
"""Bytes of the content."""
MINUTE = 60.0
"""Seconds to wait after more than 20 messages in a minute."""

COLOURS: Mapping[Severity, str] = {Severity.CRITICAL: "warning", Severity.WARNING: "warning", Severity.INFO: "comment"}
"""WeCom has three colours: `warning` is red, `comment` grey, `info` green."""
RESOLVED_COLOUR = "info"

CODES: Mapping[int, Meaning] = {
    -1: BUSY,
    **dict.fromkeys((40008, 40035, 40058, 41001, 44002, 44004, 45002), BAD),
    45009: Meaning(SendErrorKind.LIMITED, "rate_limited", MINUTE),
    45033: Meaning(SendErrorKind.LIMITED, "rate_limited", MINUTE),
    **dict.fromkeys((93000, 93004, 93008), FORBIDDEN),  # no such key; the bot or its group is gone
}
"""What the bot's numbers mean."""


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "wecom"`: `url` is the bot's, with its key."""

    type: Literal["wecom"]


class Channel(Posting[Config]):
    """One POST for each message."""

    def request(self, message: Message) -> Request:
        """Build the request."""
        return Request("POST", self._config.address, JSON_HEADERS, encoded(_body(message)))

    def judge(self, response: Response) -> Receipt:
        """Read the errcode, then the status. Raises SendError."""
        return judge_code(response, "errcode", CODES, self._tools.clock.now().wall, self._tools.redactor)


def _body(message: Message) -> Json:
    if message.plain:
        content = fitted(message, TEXT_LIMIT, lambda shorter: _no_tags(plain_text(shorter)), utf8)
        return {"msgtype": "text", "text": {"content": content}}
    colour = RESOLVED_COLOUR if message.status is Status.RESOLVED else COLOURS[message.severity]
    markdown = replace(MARKDOWN, title=f'**<font color="{colour}">{{}}</font>**')
    return {"msgtype": "markdown", "markdown": {"content": fitted(message, MARKDOWN_LIMIT, markdown.write, utf8)}}


def escape(text: str) -> str:
    """Take its meaning from what WeCom's Markdown would read, which knows no escapes: other signs look alike."""
    return _HEADING.sub("\uff03", _no_tags(text).translate(_LOOK_ALIKE).replace("](", "] ("))


def _no_tags(text: str) -> str:
    """A sharp bracket begins a colour or a mention, even in a plain text."""
    return text.replace("<", "\u2039").replace(">", "\u203a")


_LOOK_ALIKE = str.maketrans({"*": "\u2217", "`": "'"})
_HEADING = re.compile(r"^#")


def _quoted(lines: Sequence[str]) -> str:
    return "\n".join(f"> {escape(indented(line))}" for line in lines) + "\n"


MARKDOWN = Markup(
    escape,
    title="**{}**",
    label="**{}:**",
    code=_quoted,
    link="[{0}]({1})",
    target=in_parentheses,
)
