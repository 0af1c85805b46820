"""Posts to a Feishu or Lark group through a custom bot, as a card with a header in the colour of the severity.

All texts of the card are plain ones, which Feishu does not parse: a log can neither mention anybody nor format
anything. HTTP 200 says nothing here, the code in the body does. It offers no idempotency.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Literal

from agent.channels.shared.base import SecretText, UrlConfig
from agent.channels.shared.codes import BAD, FORBIDDEN, GONE, Meaning, judge_code
from agent.channels.shared.exchange import Request, Response
from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import plain_text
from agent.channels.shared.posting import JSON_HEADERS, Posting, encoded
from agent.core.clock import SECOND
from agent.core.message import Message
from agent.core.model import Json, Severity, Status
from agent.core.ports import Receipt, SendErrorKind

BODY_LIMIT = 20_000
"""Bytes of the whole body; Feishu takes 20 KB."""

COLOURS: Mapping[Severity, str] = {Severity.CRITICAL: "red", Severity.WARNING: "orange", Severity.INFO: "blue"}
RESOLVED_COLOUR = "green"
SHORT_VALUE = 40
"""Characters that fit half the width of a card."""

_LIMITED = Meaning(SendErrorKind.LIMITED, "rate_limited")

CODES: Mapping[int, Meaning] = {
    9499: BAD,
    11232: _LIMITED,
    19001: GONE,  # no such webhook
    19021: FORBIDDEN,  # signature, or a clock that is more than an hour off
    19022: FORBIDDEN,  # address not in the bot's list
    19024: FORBIDDEN,  # none of the bot's keywords in the text
    230020: _LIMITED,
}
"""What the bot's numbers mean."""


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "feishu"`: `url` is the bot's; `secret` where it verifies signatures."""

    type: Literal["feishu"]
    secret: SecretText | None = None


class Channel(Posting[Config]):
    """One card for each message, signed anew for each attempt."""

    def request(self, message: Message) -> Request:
        """Build the card, with its signature in the body."""
        proof = self._proof()
        content = fitted(message, BODY_LIMIT, lambda shorter: encoded({**proof, **_body(shorter)}))
        return Request("POST", self._config.address, JSON_HEADERS, content)

    def judge(self, response: Response) -> Receipt:
        """Read the code, then the status. Raises SendError."""
        return judge_code(response, "code", CODES, self._tools.clock.now().wall, self._tools.redactor)

    def _proof(self) -> dict[str, Json]:
        if self._config.secret is None:
            return {}
        timestamp = self._tools.clock.now().wall // SECOND
        return {"timestamp": str(timestamp), "sign": signature(self._config.secret.reveal(), timestamp)}


def signature(secret: str, timestamp: int) -> str:
    """Sign the second of sending: the text is the key here, and what is signed is empty."""
    key = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def _body(message: Message) -> dict[str, Json]:
    if message.plain:
        return {"msg_type": "text", "content": {"text": _harmless(plain_text(message))}}
    colour = RESOLVED_COLOUR if message.status is Status.RESOLVED else COLOURS[message.severity]
    header = {"template": colour, "title": _plain(message.headline)}
    card = {"config": {"wide_screen_mode": True}, "header": header, "elements": list(_elements(message))}
    return {"msg_type": "interactive", "card": card}


def _elements(message: Message) -> Iterator[Json]:
    if message.body:
        yield {"tag": "div", "text": _plain(message.body)}
    if message.facts:
        yield {"tag": "div", "fields": [_field(label, value) for label, value in message.facts]}
    if message.evidence:
        yield {"tag": "hr"}
        yield {"tag": "div", "text": _plain("\n".join(message.evidence))}
    if message.advice:
        yield {"tag": "div", "text": _plain(f"Advice: {message.advice}")}
    if message.links:
        buttons = [
            {"tag": "button", "type": "default", "text": _plain(link.text), "url": link.url} for link in message.links
        ]
        yield {"tag": "action", "actions": buttons}
    yield {"tag": "note", "elements": [_plain(message.footer)]}


def _field(label: str, value: str) -> Json:
    return {"is_short": len(value) <= SHORT_VALUE, "text": _plain(f"{label}\n{value}")}


def _plain(text: str) -> Json:
    return {"tag": "plain_text", "content": text}


def _harmless(text: str) -> str:
    """A text message knows one tag, `<at …>`: it is kept from even looking like one."""
    return text.replace("<", "\u2039").replace(">", "\u203a")
