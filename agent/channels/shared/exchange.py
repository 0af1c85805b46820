"""A request and its answer, and what an answer's status means for the message. Talks to nobody.

The table is that of the delivery rules; a channel whose provider answers in the body reads that first.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from agent.channels.shared.urls import masked
from agent.core.clock import SECOND
from agent.core.model import Json
from agent.core.ports import SendError, SendErrorKind
from agent.core.redact import MASK, Redactor
from agent.core.text import cut, strip_controls, utf8

DETAIL_LIMIT = 512
"""Bytes of an error's text that are kept."""
LONGEST_WAIT = 3600.0
"""Seconds: what one answer may impose on a channel."""
SHORTEST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, to the byte. The URL is a secret until shown otherwise, so it is not in repr."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)

    def preview(self, secret_headers: Collection[str] = ()) -> str:
        """Show the request with the URL's path and the values of `secret_headers` (in lower case) masked."""
        shown = {name: MASK if name.lower() in secret_headers else value for name, value in self.headers.items()}
        head = [f"{self.method} {masked(self.url)}", *(f"{name}: {value}" for name, value in shown.items())]
        return "\n".join([*head, "", self.content.decode("utf-8", "replace")])


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: header names in lower case, the body as far as it was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True
    """False where the body was too long, or was not over by the deadline."""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def object(self) -> Mapping[str, Json]:
        """The body as a JSON object; empty where it is anything else."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


_BY_STATUS: Mapping[int, tuple[SendErrorKind, str]] = {
    HTTPStatus.UNAUTHORIZED: (SendErrorKind.MISCONFIGURED, "auth_error"),
    HTTPStatus.PAYMENT_REQUIRED: (SendErrorKind.MISCONFIGURED, "auth_error"),
    HTTPStatus.FORBIDDEN: (SendErrorKind.MISCONFIGURED, "auth_error"),
    HTTPStatus.NOT_FOUND: (SendErrorKind.MISCONFIGURED, "gone"),
    HTTPStatus.GONE: (SendErrorKind.MISCONFIGURED, "gone"),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (SendErrorKind.MISCONFIGURED, "auth_error"),
    HTTPStatus.REQUEST_TIMEOUT: (SendErrorKind.RETRY, "timeout"),
    HTTPStatus.TOO_EARLY: (SendErrorKind.RETRY, "client_error"),
    HTTPStatus.TOO_MANY_REQUESTS: (SendErrorKind.LIMITED, "rate_limited"),
}
"""What a status says by itself; other 4xx refuse the message, 3xx a channel, and 5xx pass."""


def classify_status(response: Response, now: int, redactor: Redactor) -> SendError | None:
    """Turn a status into an error, or None for 2xx. `now` (UTC milliseconds) is for a `Retry-After` given as a date."""
    status = response.status
    if status // 100 == 2:  # noqa: PLR2004 - the class of success
        return None
    kind, reason = _BY_STATUS.get(status) or _by_class(status)
    wait = retry_after(response.headers, now)
    if wait is not None and status == HTTPStatus.SERVICE_UNAVAILABLE:
        kind = SendErrorKind.LIMITED
    return refusal(kind, response, redactor, reason=reason, retry_after=wait)


def not_the_vendor(response: Response, redactor: Redactor) -> SendError:
    """Make the error for a success that does not say what the vendor would: cut short, or somebody else's answer."""
    if response.whole:
        return refusal(SendErrorKind.MISCONFIGURED, response, redactor, reason="other")
    return refusal(SendErrorKind.UNCERTAIN, response, redactor, reason="timeout")


def refusal(
    kind: SendErrorKind, response: Response, redactor: Redactor, *, reason: str, retry_after: float | None = None
) -> SendError:
    """Make the error for an answer: its status and what its body says, cleaned and short."""
    said = " ".join(redactor.clean(strip_controls(response.text)).split())
    detail = cut(f"HTTP {response.status}: {said}" if said else f"HTTP {response.status}", DETAIL_LIMIT, measure=utf8)
    wait = retry_after if kind in (SendErrorKind.LIMITED, SendErrorKind.RETRY) else None
    return SendError(kind, detail, retry_after=wait, reason=reason, status=response.status)


def retry_after(headers: Mapping[str, str], now: int) -> float | None:
    """Read `Retry-After` in either form, as whole seconds from `now` (UTC milliseconds), between 1 s and 1 h."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, now)
    return bounded(seconds) if math.isfinite(seconds) else None


def bounded(seconds: float) -> float:
    """Round a wait up to whole seconds and keep it between 1 s and 1 h."""
    return min(LONGEST_WAIT, max(SHORTEST_WAIT, float(math.ceil(seconds))))


def _until(date: str, now: int) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return bounded(moment.timestamp() - now / SECOND)
    except (ValueError, OverflowError):
        return None


def _by_class(status: int) -> tuple[SendErrorKind, str]:
    match status // 100:
        case 5:
            return SendErrorKind.RETRY, "server_error"
        case 4:
            return SendErrorKind.REJECTED, "client_error"
        case _:
            return SendErrorKind.MISCONFIGURED, "redirect"
