"""Posts to a DingTalk group through a custom robot, as Markdown.

Every text holds the word `gpuwarden`, for robots that ask for a keyword. HTTP 200 says nothing here, the errcode in
the body does. DingTalk offers no idempotency.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal
from urllib.parse import quote

from agent.channels.shared.base import SecretText, UrlConfig
from agent.channels.shared.codes import BAD, BUSY, FORBIDDEN, GONE, Meaning, judge_code
from agent.channels.shared.exchange import Request, Response
from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import Markup, backslashed, in_parentheses, indented, plain_text
from agent.channels.shared.posting import JSON_HEADERS, Posting, encoded
from agent.core.message import Message
from agent.core.model import Json
from agent.core.ports import Receipt, SendErrorKind

BODY_LIMIT = 18_000
"""Bytes of the whole body; DingTalk takes about 20,000."""
KEYWORD = "gpuwarden"

_BLOCKED = 600.0
"""Seconds for which a robot is blocked that sent more than 20 messages in a minute."""

CODES: Mapping[int, Meaning] = {
    -1: BUSY,
    40035: BAD,  # a parameter of the JSON is missing
    130101: Meaning(SendErrorKind.LIMITED, "rate_limited", _BLOCKED),
    310000: FORBIDDEN,  # keyword, signature (or the clock), or address
    300001: GONE,
    400013: GONE,  # the group is dissolved
    400101: GONE,
    400102: GONE,  # the robot is switched off
    400105: BAD,
    400106: GONE,
    410100: Meaning(SendErrorKind.LIMITED, "rate_limited", _BLOCKED),
    430101: BAD,  # a link, a text, or content that DingTalk finds unsafe
    430102: BAD,
    430104: BAD,
    460101: BAD,  # too long
}
"""What the robot's numbers mean."""


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "dingtalk"`: `url` is the robot's; `secret` (`SEC…`) where it wants signatures."""

    type: Literal["dingtalk"]
    secret: SecretText | None = None


class Channel(Posting[Config]):
    """One POST for each message, signed anew for each attempt."""

    def request(self, message: Message) -> Request:
        """Build the request, with its signature in the query of the bare URL."""
        told = replace(message, footer=f"{KEYWORD} · {message.footer}")  # in front, where no cut can take it
        content = fitted(told, BODY_LIMIT, lambda shorter: encoded(_body(shorter)))
        return Request("POST", self._signed(self._config.address), JSON_HEADERS, content)

    def judge(self, response: Response) -> Receipt:
        """Read the errcode, then the status. Raises SendError."""
        return judge_code(response, "errcode", CODES, self._tools.clock.now().wall, self._tools.redactor)

    def _signed(self, url: str) -> str:
        if self._config.secret is None:
            return url
        timestamp = self._tools.clock.now().wall
        sign = quote(signature(self._config.secret.reveal(), timestamp), safe="")
        return f"{url}{'&' if '?' in url else '?'}timestamp={timestamp}&sign={sign}"


def signature(secret: str, timestamp: int) -> str:
    """Sign the moment of sending, in UTC milliseconds: base64, not yet percent-encoded."""
    signed = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def _body(message: Message) -> Json:
    nobody = {"atMobiles": [], "isAtAll": False}
    if message.plain:
        return {"msgtype": "text", "text": {"content": plain_text(message)}, "at": nobody}
    return {
        "msgtype": "markdown",
        "markdown": {"title": message.headline, "text": MARKDOWN.write(message)},
        "at": nobody,
    }


escape = backslashed("\\*_[]()#!~|`-+")


def _quoted(lines: Sequence[str]) -> str:
    """Quote log lines, since DingTalk has no blocks of code."""
    return "  \n".join(f"> {escape(indented(line))}" for line in lines) + "\n"


MARKDOWN = Markup(
    escape,
    title="### {}\n",
    label="**{}:**",
    code=_quoted,
    link="[{0}]({1})",
    target=in_parentheses,
    newline="  \n",
)
