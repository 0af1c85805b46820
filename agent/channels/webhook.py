"""Posts the contract's JSON to any URL, signed as Standard Webhooks 1.0.0 says, for a program to read.

The receiver tells a repeat by `webhook-id`, which is the same over all attempts; the timestamp is the attempt's own.
Bodies that GitHub's receivers understand can be signed their way too (`X-Hub-Signature-256`).
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from agent.channels.shared.base import SecretText, Tools, UrlConfig
from agent.channels.shared.exchange import Request, classify_status
from agent.core.clock import SECOND
from agent.core.message import Message
from agent.core.model import Alert, Json
from agent.core.payload import digest, payload
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.redact import Secret
from agent.core.text import cut, tail_lines

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
"""Lengths of a key that Standard Webhooks allows."""
ADVISED_BYTES = 20_000
"""The body's size that Standard Webhooks advises to stay below."""
MOST_BYTES = 64 * 1024
LEAST_EVIDENCE, LEAST_TEXT = 500, 200
"""Characters to which the longest parts are cut when a body is too large."""

HOW_TO_MAKE = "make one with: echo whsec_$(openssl rand -base64 32)"
RESERVED = frozenset({"host", "content-length", "content-type", "connection", "transfer-encoding"})

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Config(UrlConfig):
    """`[channels.NAME]` with `type = "webhook"`."""

    PROGRAM: ClassVar[bool] = True
    IDEMPOTENT: ClassVar[bool] = True

    type: Literal["webhook"]
    github_signature: bool = False
    secret: SecretText | None = None
    """`whsec_…`; several, separated by spaces, while one replaces another."""
    headers: Mapping[str, SecretText] = Field(default_factory=dict)

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, secret: Secret | None, info: ValidationInfo) -> Secret | None:
        text = secret.reveal() if secret else ""
        if text.startswith(PREFIX) or not info.data.get("github_signature"):
            for part in text.split():
                signing_key(part)
        return secret

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: Mapping[str, Secret]) -> Mapping[str, Secret]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in RESERVED or name.lower().startswith("webhook-"):
                raise ValueError(f"found the header {name!r}, expected a header that the agent does not set itself")
            if not value.reveal().isascii() or not value.reveal().isprintable():
                raise ValueError(f"found a value of {name} with controls or letters beyond ASCII, expected plain text")
        return headers


class Channel:
    """One signed POST for each message."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:
        """Post the message. Any 2xx is success. Raises SendError."""
        response = self._tools.http.request(self._request(message, key), self._config.timeout)
        error = classify_status(response, self._tools.clock.now().wall, self._tools.redactor)
        if error is not None:
            raise error
        return Receipt(status=response.status)

    def preview(self, message: Message, key: str) -> str:
        """Show the request; signatures and the user's own headers are masked."""
        secret = {"webhook-signature", "x-hub-signature-256", *map(str.lower, self._config.headers)}
        return self._request(message, key).preview(secret)

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _request(self, message: Message, key: str) -> Request:
        content = body(message)
        headers = {"Content-Type": "application/json"}
        headers |= {name: value.reveal() for name, value in self._config.headers.items()}
        headers |= self._signed(webhook_id(key), self._tools.clock.now().wall // SECOND, content)
        return Request("POST", self._config.address, headers, content)

    def _signed(self, identity: str, timestamp: int, content: bytes) -> dict[str, str]:
        headers = {"webhook-id": identity, "webhook-timestamp": str(timestamp)}
        secret = self._config.secret.reveal() if self._config.secret else ""
        standard = secret.split() if secret.startswith(PREFIX) else []
        if standard:
            headers["webhook-signature"] = signature(map(signing_key, standard), identity, timestamp, content)
        if secret and self._config.github_signature:
            key = standard[0] if standard else secret
            headers["X-Hub-Signature-256"] = f"sha256={hmac.new(key.encode(), content, hashlib.sha256).hexdigest()}"
        return headers


def signing_key(secret: str) -> bytes:
    """Decode one `whsec_…` secret. Raises ValueError that says how to make one, and shows nothing of it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError(f'found another text, expected "{PREFIX}" and the base64 of 24 to 64 bytes; {HOW_TO_MAKE}')
    return key


def signature(keys: Iterable[bytes], identity: str, timestamp: int, content: bytes) -> str:
    """Sign `id.timestamp.body` with each key; `timestamp` is in whole seconds."""
    signed = b".".join((identity.encode(), str(timestamp).encode(), content))
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def webhook_id(key: str) -> str:
    """Use the key as it is, unless it holds what an id may not (a dot separates it from the timestamp)."""
    return key if _PLAIN_ID.fullmatch(key) else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]


def body(message: Message) -> bytes:
    """Write the body, shorter where it would be too large. Raises SendError if even the shortest is."""
    content = b""
    for shown in _ever_shorter_digest(message) if message.members else _ever_shorter(_whole(message)):
        text = json.dumps(shown, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        content = text.encode("utf-8", "replace")
        if len(content) <= ADVISED_BYTES:
            return content
    if len(content) > MOST_BYTES:
        raise SendError(SendErrorKind.REJECTED, "the message is larger than 64 KiB", reason="client_error")
    return content


def _whole(message: Message) -> dict[str, Json]:
    return payload(message.alert, kind=message.kind, reason=message.reason, sent_at=message.at)


def _ever_shorter_digest(message: Message) -> Iterator[dict[str, Json]]:
    """Leave out evidence first, then texts, then the last of the alerts, which are counted."""

    def listing(members: Sequence[Alert]) -> dict[str, Json]:
        left_out = message.left_out + len(message.members) - len(members)
        return digest(members, left_out, reason=message.reason, sent_at=message.at)

    members = message.members
    yield listing(members)
    members = tuple(replace(alert, evidence=(), advice=None) for alert in members)
    yield listing(members)
    members = tuple(replace(alert, message="", fields={}, links=(), job=_short(alert.job)) for alert in members)
    yield listing(members)
    for count in (10, 5, 1):
        yield listing(members[:count])


def _short(job: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
    return None if job is None else {key: cut(v, LEAST_TEXT) if isinstance(v, str) else v for key, v in job.items()}


def _ever_shorter(full: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """Leave out evidence first, then facts; never the headline."""
    data: dict[str, Json] = full["data"]
    yield full
    data = {**data, "evidence": list(tail_lines(data["evidence"], LEAST_EVIDENCE))}
    yield {**full, "data": data}
    data = {**data, "evidence": [], "message": cut(data["message"], LEAST_TEXT)}
    yield {**full, "data": data}
    labels = {name: cut(value, LEAST_TEXT) for name, value in data["labels"].items()}
    yield {**full, "data": {**data, "labels": labels, "links": []}}
