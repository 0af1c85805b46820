"""Posts to a Microsoft Teams chat or channel through a Workflows webhook, as an Adaptive Card.

An answer of 202 means that Power Automate has queued the card, not that anybody sees it: it gives no id back, so
nothing can be edited or threaded, and a card it cannot show fails out of sight. So cards keep well below the limit.
"""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from pydantic import field_validator

from agent.channels.shared.base import UrlConfig
from agent.channels.shared.exchange import Request, Response, refusal
from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import indented, plain_text
from agent.channels.shared.posting import JSON_HEADERS, Posting, encoded
from agent.core.message import Message
from agent.core.model import Json, Severity, Status
from agent.core.ports import Receipt, SendErrorKind
from agent.core.redact import Secret

CARD_LIMIT = 21_000
"""Bytes. Teams takes 28 KB after the flow has rendered the message, which adds to what was sent."""
WAIT = 30.0
"""Seconds, where a limit names no wait."""

RETIRED = ("webhook.office.com", "outlook.office.com", "outlook.office365.com")
"""Hosts of the Office 365 connectors, which are retired."""
WAY_OUT = (
    "found the URL of a retired Office 365 connector, expected that of a workflow: in Teams, choose Workflows in the "
    'menu of the channel, then "Send webhook alerts to a channel", and paste the URL that it shows'
)

STYLES: Mapping[Severity, str] = {
    Severity.CRITICAL: "attention",
    Severity.WARNING: "warning",
    Severity.INFO: "accent",
}
RESOLVED_STYLE = "good"

_OLD_ERROR = re.compile(r"endpoint returned HTTP error (\d{3})")
_MARKUP = re.compile(r"([\\*_\[\]()#`])")
_LIST = re.compile(r"^(\s*)([-+>]|\d+(?=\.(?:\s|$)))")


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "teams"`: `url` is that of a workflow, kept byte for byte, as it is signed."""

    type: Literal["teams"]

    @field_validator("url")
    @classmethod
    def _check_host(cls, url: Secret) -> Secret:
        host = (urlsplit(url.reveal()).hostname or "").lower()
        if any(host == retired or host.endswith(f".{retired}") for retired in RETIRED):
            raise ValueError(WAY_OUT)
        return url


class Channel(Posting[Config]):
    """One card for each message."""

    def request(self, message: Message) -> Request:
        """Build the card in its envelope; without that the flow fails after it has answered 202."""
        content = fitted(message, CARD_LIMIT, lambda shorter: encoded(_envelope(shorter)))
        return Request("POST", self._config.address, JSON_HEADERS, content)

    def judge(self, response: Response) -> Receipt:
        """Any 2xx is success, unless its body tells of another status, as old connectors did. Raises SendError."""
        error = self._failure(response)
        if error is None:
            told = _OLD_ERROR.search(response.text)
            if told is None:
                return Receipt(status=response.status)
            limited = int(told[1]) == HTTPStatus.TOO_MANY_REQUESTS
            kind, reason = (SendErrorKind.LIMITED, "rate_limited") if limited else (SendErrorKind.RETRY, "server_error")
            error = refusal(kind, response, self._tools.redactor, reason=reason)
        if error.kind is SendErrorKind.LIMITED and error.retry_after is None:
            error.retry_after = WAIT
        raise error


def escape(line: str) -> str:
    """Escape what the Markdown of a text block would read in a line; it knows no HTML."""
    return _LIST.sub(_no_list, _MARKUP.sub(r"\\\1", line))


def _no_list(start: re.Match[str]) -> str:
    """A dash begins a list, and a number with a dot does; the dot is what can be escaped of that."""
    space, mark = start.groups()
    return f"{space}{mark}\\" if mark.isdigit() else f"{space}\\{mark}"


def _envelope(message: Message) -> Json:
    card: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "full"},
        "body": [_block(plain_text(message))] if message.plain else list(_blocks(message)),
    }
    actions = [{"type": "Action.OpenUrl", "title": link.text, "url": link.url} for link in message.links]
    if actions and not message.plain:
        card["actions"] = actions
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _blocks(message: Message) -> Iterator[Json]:
    style = RESOLVED_STYLE if message.status is Status.RESOLVED else STYLES[message.severity]
    title = _block(message.headline, size="Large", weight="Bolder")
    yield {"type": "Container", "id": message.alert.id, "style": style, "bleed": True, "items": [title]}
    if message.body:
        yield _block(message.body)
    if message.facts:
        facts = [{"title": escape(label), "value": escape(value)} for label, value in message.facts]
        yield {"type": "FactSet", "facts": facts}
    if message.evidence:
        yield _block("\n".join(map(indented, message.evidence)), fontType="Monospace", size="Small")
    if message.advice:
        yield _block(f"Advice: {message.advice}")
    yield _block(message.footer, size="Small", isSubtle=True)


def _block(text: str, **looks: Json) -> Json:
    """One text; a line ends with two spaces, or Markdown would join it with the next."""
    lines = "  \n".join(map(escape, text.split("\n")))
    return {"type": "TextBlock", "text": lines, "wrap": True, **looks}
