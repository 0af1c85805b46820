"""A channel that is one POST of JSON for each message: what is left to say is the body, and what the answer means."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from agent.channels.shared.base import CommonConfig, Tools, links
from agent.channels.shared.exchange import Request, Response, classify_status
from agent.core.message import Message
from agent.core.model import Json
from agent.core.ports import Receipt, SendError

JSON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json; charset=utf-8"}

Settings = TypeVar("Settings", bound=CommonConfig)


class Posting(ABC, Generic[Settings]):
    """Sends what `request` builds, once, and gives the answer to `judge`."""

    def __init__(self, name: str, config: Settings, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    @abstractmethod
    def request(self, message: Message) -> Request:
        """Build the request, signed for this very attempt if the vendor wants that."""

    @abstractmethod
    def judge(self, response: Response) -> Receipt:
        """Say what the answer means. Raises SendError."""

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - such a vendor takes no key
        """Post the message. Raises SendError."""
        return self.judge(self._tools.http.request(self.request(self._linked(message)), self._config.timeout))

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request with its URL masked."""
        return self.request(self._linked(message)).preview()

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _linked(self, message: Message) -> Message:
        """The message with the channel's own page among its links."""
        return replace(message, links=links(message, self._config.link))

    def _failure(self, response: Response) -> SendError | None:
        """What the status says: an error, or None for 2xx."""
        return classify_status(response, self._tools.clock.now().wall, self._tools.redactor)


def encoded(body: Json) -> bytes:
    """Write a body as UTF-8; a lone surrogate, which none takes, becomes a question mark."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
