"""Posts to a Slack incoming webhook as Block Kit, with a bar in the colour of the severity.

Slack answers with one word, which tells more than the status: `ok` alone is success. It offers no idempotency.
"""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Literal

from agent.channels.shared.base import Tools, UrlConfig, links
from agent.channels.shared.exchange import Request, Response, classify_status, refusal
from agent.core.message import Message
from agent.core.model import Json, Link, Severity, Status
from agent.core.ports import Receipt, SendErrorKind
from agent.core.redact import Redactor
from agent.core.text import cut, tail_lines

HEADER_LIMIT, SECTION_LIMIT, FIELD_LIMIT, BUTTON_LIMIT, URL_LIMIT = 150, 3_000, 2_000, 75, 3_000
"""Characters, after escaping; a block beyond them is refused whole."""
TEXT_LIMIT = 4_000
"""Characters of the plain text that Slack advises; it cuts at 40,000."""
SUMMARY_LIMIT = 500
"""Characters of the text in a phone's notification."""
MOST_FIELDS, MOST_BUTTONS = 10, 5
FENCE, BROKEN_FENCE = "```", "'''"

COLOURS: Mapping[Severity, str] = {
    Severity.CRITICAL: "#E01E5A",
    Severity.WARNING: "#ECB22E",
    Severity.INFO: "#36C5F0",
}
RESOLVED_COLOUR = "#2EB67D"

_REJECTED = (SendErrorKind.REJECTED, "client_error")
_FORBIDDEN = (SendErrorKind.MISCONFIGURED, "auth_error")
_GONE = (SendErrorKind.MISCONFIGURED, "gone")

WORDS: Mapping[str, tuple[SendErrorKind, str]] = {
    **dict.fromkeys(
        ("invalid_payload", "user_not_found", "no_text", "too_many_attachments", "invalid_blocks"), _REJECTED
    ),
    **dict.fromkeys(
        ("action_prohibited", "invalid_token", "posting_to_general_channel_denied", "team_disabled"), _FORBIDDEN
    ),
    **dict.fromkeys(
        ("channel_not_found", "no_service", "no_active_hooks", "no_team", "no_service_id", "channel_is_archived"), _GONE
    ),
    "rollup_error": (SendErrorKind.RETRY, "server_error"),
}
"""What Slack's answers mean, whatever status they come with: a 500 has been seen with `action_prohibited`."""

EMPTY = frozenset({"no_text", "invalid_payload"})
"""What Slack says to a message without text, if nothing else is wrong."""


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "slack"`: `url` is that of an incoming webhook."""

    type: Literal["slack"]


class Channel:
    """One POST for each message; Slack gives no id back, so nothing can be edited or threaded."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - Slack takes no key
        """Post the message. Raises SendError."""
        response = self._tools.http.request(self._request(message), self._config.timeout)
        return judge(response, self._tools.clock.now().wall, self._tools.redactor)

    def probe(self) -> str:
        """Post nothing: a webhook that is alive refuses an empty text, one that is dead says so. Raises SendError."""
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = Request("POST", self._config.address, headers, b'{"text": ""}')
        response = self._tools.http.request(request, self._config.timeout)
        if response.text.strip() not in EMPTY:
            judge(response, self._tools.clock.now().wall, self._tools.redactor)
        return "the webhook is alive"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request with the webhook's URL masked."""
        return self._request(message).preview()

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _request(self, message: Message) -> Request:
        shown = links(message, self._config.link)
        content = json.dumps(_plain(message, shown) if message.plain else _blocks(message, shown), ensure_ascii=False)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return Request("POST", self._config.address, headers, content.encode("utf-8", "replace"))


def judge(response: Response, now: int, redactor: Redactor) -> Receipt:
    """Read Slack's word, then the status. Raises SendError."""
    word = response.text.strip()
    if response.status == HTTPStatus.OK and word == "ok":
        return Receipt(status=response.status)
    if word in WORDS:
        kind, reason = WORDS[word]
        raise refusal(kind, response, redactor, reason=reason)
    error = classify_status(response, now, redactor)
    if error is not None:
        raise error
    if not response.whole:
        raise refusal(SendErrorKind.UNCERTAIN, response, redactor, reason="timeout")
    raise refusal(SendErrorKind.MISCONFIGURED, response, redactor, reason="other")  # whoever answered, it was not Slack


def escape(text: str) -> str:
    """Escape for `mrkdwn` and `text`: only these three are special, and every mention needs a raw `<`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped_length(text: str) -> int:
    return len(escape(text))


def _fit(text: str, limit: int) -> str:
    return escape(cut(text.replace(FENCE, BROKEN_FENCE), limit, measure=_escaped_length))


def _blocks(message: Message, shown: tuple[Link, ...]) -> dict[str, Json]:
    colour = RESOLVED_COLOUR if message.status is Status.RESOLVED else COLOURS[message.severity]
    return {
        "text": _fit("\n".join(filter(None, (message.headline, message.body))), SUMMARY_LIMIT),
        "blocks": [_header(message.headline)],
        "attachments": [{"color": colour, "blocks": list(_details(message, shown))}],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _plain(message: Message, shown: tuple[Link, ...]) -> dict[str, Json]:
    """Build the fallback for a message whose blocks were refused: text alone, with no markup."""
    facts = (f"{label}: {value}" for label, value in message.facts)
    pages = (f"{link.text}: {link.url}" for link in shown)
    advice = (message.advice,) if message.advice else ()
    lines = (message.headline, message.body, *facts, *message.evidence, *advice, *pages, message.footer)
    text = _fit("\n".join(filter(None, lines)), TEXT_LIMIT)
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def _header(headline: str) -> Json:
    return {"type": "header", "text": _plain_text(headline, HEADER_LIMIT)}


def _plain_text(text: str, limit: int) -> Json:
    """Plain text takes no escapes and is not parsed for mentions; it is kept from even looking like one."""
    text = text.replace("<", "\u2039").replace(">", "\u203a")
    return {"type": "plain_text", "text": cut(text, limit), "emoji": True}


def _details(message: Message, shown: tuple[Link, ...]) -> Iterator[Json]:
    if message.body:
        yield _section(_fit(message.body, SECTION_LIMIT))
    for start in range(0, len(message.facts), MOST_FIELDS):
        facts = message.facts[start : start + MOST_FIELDS]
        yield {"type": "section", "fields": [_mrkdwn(_fact(label, value)) for label, value in facts]}
    if message.evidence:
        yield _section(_code(message.evidence))
    if message.advice:
        yield _section(f"*Advice:* {_fit(message.advice, SECTION_LIMIT // 2)}")
    buttons = [_button(link) for link in shown if len(link.url) <= URL_LIMIT][:MOST_BUTTONS]
    if buttons:
        yield {"type": "actions", "elements": buttons}
    yield {"type": "context", "elements": [_mrkdwn(_fit(message.footer, FIELD_LIMIT))]}


def _fact(label: str, value: str) -> str:
    label = _fit(label, FIELD_LIMIT // 4)
    return f"*{label}*\n{_fit(value, FIELD_LIMIT // 2)}"


def _code(lines: tuple[str, ...]) -> str:
    """Fence the log lines. A fence protects from nothing but formatting: they are escaped inside it too."""
    harmless = [line.replace(FENCE, BROKEN_FENCE) for line in lines]
    kept = tail_lines(harmless, SECTION_LIMIT - 2 * len(FENCE) - 2, measure=_escaped_length)
    return "\n".join((FENCE, *map(escape, kept), FENCE))


def _section(text: str) -> Json:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _button(link: Link) -> Json:
    return {"type": "button", "text": _plain_text(link.text, BUTTON_LIMIT), "url": link.url}
