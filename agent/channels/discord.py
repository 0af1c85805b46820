"""Posts to a Discord webhook as an embed in the colour of the severity, and edits what it posted once that is over.

A picture goes with the message, in one request; if that is refused, the message goes without it.

`wait=true` makes Discord answer with the message it saved; without it a message that was not saved raises no error. It
offers no idempotency.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote

from agent.channels.shared.base import Tools, UrlConfig, links
from agent.channels.shared.exchange import Request, Response, bounded, classify_status, not_the_vendor, refusal
from agent.channels.shared.markup import plain_text
from agent.channels.shared.multipart import FILE_NAME, form
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.core.message import Message
from agent.core.model import Json, Link, NotificationKind, Severity, Status
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.redact import Redactor
from agent.core.references import NOTHING_KNOWN
from agent.core.text import cut, tail_lines, utf16

CONTENT_LIMIT = 2_000
TITLE_LIMIT, DESCRIPTION_LIMIT, NAME_LIMIT, VALUE_LIMIT, EMBED_LIMIT = 256, 4_096, 256, 1_024, 6_000
"""Characters; Discord counts them as JavaScript does, and the last over everything in a message's embeds."""
SHORT_NAME, SHORT_VALUE, FOOTER_LIMIT, BODY_LIMIT, ADVICE_LIMIT = 64, 280, 300, 1_000, 500
"""What is given to each part, so that log lines always have room in the sum."""
MOST_FIELDS = 10
URL_LIMIT = 512
FENCE, BROKEN_FENCE = "```", "'''"
QUIET = 1 << 12
"""SUPPRESS_NOTIFICATIONS: the message is there, and no phone rings."""

NO_EDIT = frozenset({10008, 30046})
"""Codes for a message that is gone, or too old to be edited again: what there is to say is posted anew."""

MISPLACED = frozenset({10003, 50013, 50027, 220003})
"""Codes for a webhook that cannot post where it should: no channel, permission or token; a forum without a thread."""
EDGE_WAIT = 60
"""Seconds: Discord's network refuses whoever asks too much with a page, and for longer."""

COLOURS: Mapping[Severity, int] = {
    Severity.CRITICAL: 0xE01E5A,
    Severity.WARNING: 0xECB22E,
    Severity.INFO: 0x36C5F0,
}
RESOLVED_COLOUR = 0x2EB67D

_MARKUP = re.compile(r"([\\*_~|>#\-\[\]()`])")
_NO_MENTIONS: Mapping[str, Json] = {"parse": []}


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "discord"`: `url` is that of a webhook, `thread_id` and all."""

    PICTURES = True

    type: Literal["discord"]


class Channel:
    """One POST for each message, and a PATCH of it when it is over."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - Discord takes no key
        """Post the message, or show in the earlier one that it is over. Raises SendError."""
        picture = self._tools.picture(message)
        ask = self._tools.http.calls(self._config.timeout)
        response = ask(self._request(message, picture))
        if picture is not None and self._refused(response):
            response = ask(self._request(message))
        if message.references.ref and response.object.get("code") in NO_EDIT:
            response = ask(self._request(replace(message, references=NOTHING_KNOWN)))
        return judge(response, self._tools.clock.now().wall, self._tools.redactor)

    def probe(self) -> str:
        """Ask for the webhook itself. Raises SendError."""
        request = Request("GET", self._config.address, {})
        response = self._tools.http.request(request, self._config.timeout)
        error = classify_status(response, self._tools.clock.now().wall, self._tools.redactor)
        found = response.object
        if error is not None or not isinstance(found.get("id"), str):
            raise error or not_the_vendor(response, self._tools.redactor)
        return f"webhook {found.get('name') or 'without a name'}"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request with the webhook's URL masked."""
        return self._request(message).preview()

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _refused(self, response: Response) -> bool:
        """Whether Discord does not take this form of the message, and so has posted nothing."""
        error = classify_status(response, self._tools.clock.now().wall, self._tools.redactor)
        return error is not None and error.kind is SendErrorKind.REJECTED

    def _request(self, message: Message, picture: bytes | None = None) -> Request:
        shown = links(message, self._config.link)
        body = _plain(message, shown) if message.plain else _rich(message, shown)
        earlier = message.references.ref
        if earlier and message.kind is NotificationKind.RESOLVED:
            body = {"content": "", "embeds": [], **body, "allowed_mentions": _NO_MENTIONS}
            return Request("PATCH", message_url(self._config.address, earlier), JSON_HEADERS, encoded(body))
        quiet = {"flags": QUIET} if message.severity is Severity.INFO else {}
        body = {**body, **quiet, "allowed_mentions": _NO_MENTIONS}
        if picture is not None:
            return form(waiting(self._config.address), {"payload_json": _illustrated(body)}, "files[0]", picture)
        return Request("POST", waiting(self._config.address), JSON_HEADERS, encoded(body))


def waiting(address: str) -> str:
    """The webhook's URL, asking for the saved message; a thread that it names stays."""
    return address if "wait=" in address else f"{address}{'&' if '?' in address else '?'}wait=true"


def message_url(address: str, message_id: str) -> str:
    """The URL of a message that the webhook has posted; the thread that the webhook's URL names stays."""
    path, mark, query = address.partition("?")
    return f"{path}/messages/{quote(message_id, safe='')}{mark}{query}"


def judge(response: Response, now: int, redactor: Redactor) -> Receipt:
    """Read status and body. Raises SendError."""
    error = classify_status(response, now, redactor)
    refused = error is not None and error.kind is SendErrorKind.REJECTED
    if refused and response.object.get("code") in MISPLACED:
        raise refusal(SendErrorKind.MISCONFIGURED, response, redactor, reason="client_error")
    if error is not None:
        raise _with_wait(error, response)
    if response.status == HTTPStatus.NO_CONTENT:
        return Receipt(status=response.status)
    saved = response.object
    if not isinstance(saved.get("id"), str):
        raise not_the_vendor(response, redactor)
    return Receipt(ref=saved["id"], status=response.status)


def escape(text: str) -> str:
    """Escape everything that Discord's Markdown would read."""
    return _MARKUP.sub(r"\\\1", text)


def _with_wait(error: SendError, response: Response) -> SendError:
    """The body of a 429 tells the wait more finely than the header, and for bans alone; a page comes from the edge."""
    wait = EDGE_WAIT if response.body.lstrip().startswith(b"<") else response.object.get("retry_after")
    if error.kind is SendErrorKind.LIMITED and isinstance(wait, int | float) and wait > (error.retry_after or 0):
        error.retry_after = bounded(float(wait))
    return error


def _rich(message: Message, shown: tuple[Link, ...]) -> dict[str, Json]:
    title = _fit(message.headline, TITLE_LIMIT)
    footer = cut(message.footer, FOOTER_LIMIT, measure=utf16)
    fields = list(_fields(message))
    used = utf16(title) + utf16(footer) + sum(utf16(item["name"]) + utf16(item["value"]) for item in fields)
    embed = {
        "title": title,
        "description": _description(message, shown, min(DESCRIPTION_LIMIT, EMBED_LIMIT - used)),
        "color": RESOLVED_COLOUR if message.status is Status.RESOLVED else COLOURS[message.severity],
        "fields": fields,
        "footer": {"text": footer},
    }
    return {"embeds": [{key: value for key, value in embed.items() if value}]}


def _illustrated(body: Mapping[str, Json]) -> Json:
    """The message with the picture that comes as a file beside it."""
    (embed,) = body["embeds"]
    return {**body, "embeds": [{**embed, "image": {"url": f"attachment://{FILE_NAME}"}}]}


def _plain(message: Message, shown: tuple[Link, ...]) -> dict[str, Json]:
    """Build the fallback for a message whose embed was refused: text alone."""
    return {"content": _fit(plain_text(replace(message, links=shown)), CONTENT_LIMIT)}


def _fields(message: Message) -> Iterator[dict[str, Json]]:
    for label, value in message.facts[:MOST_FIELDS]:
        yield {"name": _fit(label, SHORT_NAME), "value": _fit(value, SHORT_VALUE), "inline": len(value) <= SHORT_NAME}
    if message.advice:
        yield {"name": "Advice", "value": _fit(message.advice, ADVICE_LIMIT), "inline": False}


def _description(message: Message, shown: tuple[Link, ...], room: int) -> str:
    parts = [_fit(message.body, BODY_LIMIT)] if message.body else []
    pages = [f"[{_fit(link.text, SHORT_NAME)}]({_target(link.url)})" for link in shown if len(link.url) <= URL_LIMIT]
    parts_after = pages[:2]
    left = room - sum(utf16(part) + 1 for part in (*parts, *parts_after)) - 2 * len(FENCE) - 2
    if message.evidence and left > SHORT_NAME:
        harmless = [line.replace(FENCE, BROKEN_FENCE) for line in message.evidence]
        parts.append("\n".join((FENCE, *tail_lines(harmless, left, measure=utf16), FENCE)))
    return "\n".join((*parts, *parts_after))


def _target(url: str) -> str:
    """A URL that cannot end the parentheses around it."""
    return quote(url, safe="%/:?&=#@!$+,;~'*-._").replace("(", "%28").replace(")", "%29")


def _fit(text: str, limit: int) -> str:
    return escape(cut(text, limit, measure=lambda part: utf16(escape(part))))
