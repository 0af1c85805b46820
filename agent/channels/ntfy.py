"""Publishes to a topic of an ntfy server, as plain text with a title, a priority and buttons.

ntfy gives an id back, but nothing can be edited; it offers no idempotency.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal
from urllib.parse import urlsplit

from pydantic import field_validator

from agent.channels.shared.base import SecretText, UrlConfig
from agent.channels.shared.exchange import Request, Response, not_the_vendor
from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import plain_text
from agent.channels.shared.posting import JSON_HEADERS, Posting, encoded
from agent.core.message import Message
from agent.core.model import Json, Severity, Status
from agent.core.ports import Receipt, SendErrorKind
from agent.core.redact import MASK, Secret

MESSAGE_LIMIT = 4_096
"""Bytes; a longer message becomes an attachment. ntfy reads at most twice as many of the whole JSON."""
MOST_ACTIONS = 3
URL_LIMIT = 500

PRIORITIES: Mapping[Severity, int] = {Severity.CRITICAL: 5, Severity.WARNING: 3, Severity.INFO: 2}
RESOLVED_PRIORITY = 2

WRONG_TOPIC = (40009, 40010)
"""ntfy's codes for a topic whose name it does not take."""
DAILY_QUOTA, DAILY_WAIT = 42908, 3600.0
"""Its code for a quota that is used up until midnight, and the seconds until it is worth another try."""

_TOPIC = re.compile(r"/([-_A-Za-z0-9]{1,64})/?$")


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "ntfy"`: `url` is server and topic, a secret where whoever knows it may read."""

    type: Literal["ntfy"]
    token: SecretText | None = None
    """An access token (`tk_…`), where the topic is protected."""

    @field_validator("url")
    @classmethod
    def _check_topic(cls, url: Secret) -> Secret:
        parts = urlsplit(url.reveal())
        if not _TOPIC.search(parts.path) or parts.query:
            raise ValueError("found a URL without a topic, expected one such as https://ntfy.sh/my-topic")
        return url

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: Secret | None) -> Secret | None:
        if token and not re.fullmatch(r"[!-~]+", token.reveal()):
            raise ValueError("found spaces or letters beyond ASCII, expected an access token such as tk_…")
        return token

    @property
    def topic(self) -> str:
        """The last part of the URL."""
        found = _TOPIC.search(urlsplit(self.url.reveal()).path)
        assert found
        return found[1]


class Channel(Posting[Config]):
    """One POST to the server's root, with the topic in it: the form that takes any letter in a title."""

    def request(self, message: Message, *, topic: str | None = None) -> Request:
        """Build the request; `topic` stands for the real one where it is only to be shown."""
        config = self._config
        headers = dict(JSON_HEADERS)
        if config.token:
            headers["Authorization"] = f"Bearer {config.token.reveal()}"
        body = {"topic": topic or config.topic, **_body(message)}
        return Request("POST", _TOPIC.sub("/", config.address), headers, encoded(body))

    def probe(self) -> str:
        """Ask whether the server is well; whether the topic may be written shows only when it is. Raises SendError."""
        request = Request("GET", _TOPIC.sub("/v1/health", self._config.address), {})
        response = self._tools.http.request(request, self._config.timeout)
        error = self._failure(response)
        if error is not None:
            raise error
        if response.object.get("healthy") is not True:
            raise not_the_vendor(response, self._tools.redactor)
        return "the server is well"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - ntfy takes no key
        """Show the request with token and topic masked."""
        return self.request(self._linked(message), topic=MASK).preview({"authorization"})

    def judge(self, response: Response) -> Receipt:
        """Read the status, and ntfy's own code. Raises SendError."""
        said, error = response.object, self._failure(response)
        if error is None:
            if not isinstance(said.get("id"), str):
                raise not_the_vendor(response, self._tools.redactor)
            return Receipt(ref=said["id"], status=response.status)
        if said.get("code") in WRONG_TOPIC:
            error.kind = SendErrorKind.MISCONFIGURED
        if said.get("code") == DAILY_QUOTA and error.retry_after is None:
            error.retry_after = DAILY_WAIT
        raise error


def _body(message: Message) -> dict[str, Json]:
    resolved = message.status is Status.RESOLVED
    body: dict[str, Json] = {
        "title": message.headline,
        "message": fitted(message, MESSAGE_LIMIT, _text, _in_json),
        "priority": RESOLVED_PRIORITY if resolved else PRIORITIES[message.severity],
        "tags": [str(message.alert.type)],
    }
    pages = [link for link in message.links if len(link.url) <= URL_LIMIT][:MOST_ACTIONS]
    if pages and not message.plain:
        body["click"] = pages[0].url
        body["actions"] = [{"action": "view", "label": link.text[:60], "url": link.url} for link in pages]
    return body


def _text(message: Message) -> str:
    """The title stands apart, and links are buttons."""
    shown = plain_text(message if message.plain else replace(message, links=()))
    return shown.removeprefix(message.headline).lstrip("\n") or message.title


def _in_json(text: str) -> int:
    """Measure the bytes that a text takes in the body, which are never fewer than its own."""
    return len(encoded(text))
