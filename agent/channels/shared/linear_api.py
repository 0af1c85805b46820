"""Linear's GraphQL interface: one call, and what its errors mean. They come with HTTP 200, and with 400."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.channels.shared.base import Tools
from agent.channels.shared.exchange import (
    Request,
    Response,
    bounded,
    classify_status,
    not_the_vendor,
    refusal,
    retry_after,
)
from agent.channels.shared.http import Ask
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.core.clock import SECOND
from agent.core.model import Json
from agent.core.ports import SendError, SendErrorKind
from agent.core.redact import Secret

PERSONAL_KEY = "lin_api_"
"""Such a key stands alone in its header; an OAuth token stands behind the word Bearer."""

_FORBIDDEN = (SendErrorKind.MISCONFIGURED, "auth_error")
_SETTING = (SendErrorKind.MISCONFIGURED, "client_error")
_REJECTED = (SendErrorKind.REJECTED, "client_error")
_BUSY = (SendErrorKind.RETRY, "server_error")
MEANINGS: Mapping[str, tuple[SendErrorKind, str]] = {
    **dict.fromkeys(
        ("authentication error", "forbidden", "feature not accessible", "usage limit exceeded"), _FORBIDDEN
    ),
    **dict.fromkeys(("invalid input", "user error", "graphql error"), _REJECTED),
    **dict.fromkeys(("internal error", "lock timeout", "network error"), _BUSY),
    "ratelimited": (SendErrorKind.LIMITED, "rate_limited"),
}
"""What the type of an error means."""
SETTINGS = ("teamid", "labelids", "stateid")
"""Names in an error that are about the configuration, not the message."""
RESETS = ("x-ratelimit-requests-reset", "x-ratelimit-complexity-reset")
"""Headers that tell when a budget is full again, in milliseconds since 1970."""


class Exists(Exception):  # noqa: N818 - what Linear says, not a fault
    """There is one of this id already."""


class Gone(Exception):  # noqa: N818 - as above
    """What the call is about is not there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call's field says, with the status that it came with."""

    said: Mapping[str, Json]
    status: int


class LinearApi:
    """Calls as the owner of `key`."""

    def __init__(self, server: str, key: Secret, tools: Tools) -> None:
        self._server = server
        self._key = key
        self._tools = tools

    def request(self, query: str, variables: Json) -> Request:
        """Build one call."""
        token = self._key.reveal()
        authorization = token if token.startswith(PERSONAL_KEY) else f"Bearer {token}"
        content = encoded({"query": query, "variables": variables})
        return Request("POST", f"{self._server}/graphql", {**JSON_HEADERS, "Authorization": authorization}, content)

    def call(self, ask: Ask, query: str, variables: Json, field: str) -> Answer:
        """Make one call and read what it says under `field`. Raises SendError, Exists or Gone."""
        response = ask(self.request(query, variables))
        errors = response.object.get("errors")
        if isinstance(errors, list) and errors:
            raise self._refused(response, [item for item in errors if isinstance(item, dict)])
        error = classify_status(response, self._tools.clock.now().wall, self._tools.redactor)
        if error is not None:
            raise error
        data = response.object.get("data")
        said = data.get(field) if isinstance(data, dict) else None
        if not isinstance(said, dict):
            raise not_the_vendor(response, self._tools.redactor)
        if said.get("success") is False:
            raise refusal(_BUSY[0], response, self._tools.redactor, reason=_BUSY[1])
        return Answer(said, response.status)

    def _refused(self, response: Response, errors: Sequence[Mapping[str, Json]]) -> Exception:
        told = " ".join(map(str, errors)).lower()
        extensions = [item.get("extensions") or {} for item in errors]
        types = [str(item.get("type", "")).lower() for item in extensions]
        codes = [str(item.get("code", "")).lower() for item in extensions]
        known = next((MEANINGS[word] for word in (*codes, *types) if word in MEANINGS), None)
        if known is None or known == _REJECTED:
            if any(word in told for word in ("conflict", "unique", "already exist", "duplicate")):
                return Exists()
            if "not found" in told:
                return Gone()
            if any(name in told for name in SETTINGS):
                known = _SETTING
        if known is None:
            error = classify_status(response, self._tools.clock.now().wall, self._tools.redactor)
            return error or refusal(_BUSY[0], response, self._tools.redactor, reason=_BUSY[1])
        return self._error(response, *known)

    def _error(self, response: Response, kind: SendErrorKind, reason: str) -> SendError:
        now = self._tools.clock.now().wall
        wait = retry_after(response.headers, now)
        if kind is SendErrorKind.LIMITED and wait is None:
            resets = [int(text) for name in RESETS if (text := response.headers.get(name, "")).isdecimal()]
            wait = bounded((min(resets) - now) / SECOND) if resets else None
        return refusal(kind, response, self._tools.redactor, reason=reason, retry_after=wait)
