"""Hands messages to Apprise, for the long tail of services that have no channel of their own here.

Apprise runs in a process of its own, for each message: it would double the daemon's memory, and only a process can be
ended when it does not come back. What it tells of a failure is a line of its log, so causes are told less well here.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import ClassVar, Literal

from pydantic import field_validator

from agent.channels.shared import children
from agent.channels.shared.base import CommonConfig, SecretText, Tools, links
from agent.channels.shared.exchange import Response, classify_status
from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import plain_text
from agent.core.message import Message
from agent.core.model import Json, Severity, Status
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.redact import MASK, Secret
from agent.core.text import cut, utf8

EXTRA = "gpuwarden[apprise]"
CHILD = "agent.channels.shared.apprise_child"
SIZES = (8_000, 4_000, 2_000, 1_000, 500, 250)
"""Characters of the forms from which the child takes the longest that its service has room for."""
DETAIL_LIMIT = 512

KINDS: Mapping[Severity, str] = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}
RESOLVED_KIND = "success"

_SCHEME = re.compile(r"[A-Za-z0-9]{1,32}://")
_STATUS = re.compile(r"error=([1-5]\d\d)\b")


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "apprise"`: `url` is one of Apprise's own, such as `gotify://host/token`."""

    CALLS_OUT: ClassVar[bool] = False

    type: Literal["apprise"]
    url: SecretText

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: Secret) -> Secret:
        if find_spec("apprise") is None:
            raise ValueError(f'found no Apprise on this machine, expected the extra: pip install "{EXTRA}"')
        if not _SCHEME.match(url.reveal()) or not url.reveal().isprintable():
            raise ValueError('found no URL, expected one of Apprise such as "gotify://host/token"')
        return url


class Channel:
    """One process for each message."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - Apprise takes no key
        """Hand the message to Apprise. Raises SendError."""
        config = self._config
        order = {"url": config.url.reveal(), "timeout": config.timeout / 2, **_told(message, config.link)}
        said = self._run(json.dumps(order).encode())
        if said.get("delivered") is True:
            return Receipt()
        raise self._failure(said)

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show what Apprise is given; its URL is masked but for the service."""
        told = _told(message, self._config.link)
        service = self._config.url.reveal().partition("://")[0]
        return f"Apprise {service}://{MASK} ({told['kind']})\n\n{told['title']}\n{told['bodies'][0]}"

    def close(self) -> None:
        """Nothing is kept running between two messages."""

    def _run(self, order: bytes) -> Mapping[str, Json]:
        """Run the child within the deadline; its last line is its answer."""
        try:
            done = children.run(CHILD, order, self._config.timeout)
        except subprocess.TimeoutExpired:
            text = "Apprise did not come back in time and was ended"
            raise SendError(SendErrorKind.UNCERTAIN, text, reason="timeout") from None
        except OSError as error:
            text = f"Apprise could not be started: {error.strerror or type(error).__name__}"
            raise SendError(SendErrorKind.RETRY, text) from None
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        try:
            said = json.loads(lines[-1])
        except (IndexError, ValueError):
            fault = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"status {done.returncode}"]
            said = {"said": f"it failed: {fault[0]}"}
        return said if isinstance(said, dict) else {}

    def _failure(self, said: Mapping[str, Json]) -> SendError:
        """Say what went wrong, by the HTTP status where Apprise names one; without it nobody knows what was sent."""
        redactor = self._tools.redactor
        text = " ".join(redactor.clean(str(said.get("said", ""))).split())
        detail = cut(f"Apprise: {text or 'not delivered'}", DETAIL_LIMIT, measure=utf8)
        if said.get("known") is False:
            return SendError(SendErrorKind.MISCONFIGURED, detail)
        status = _STATUS.search(text)
        error = status and classify_status(Response(int(status[1]), {}, b""), 0, redactor)
        if not error:
            return SendError(SendErrorKind.UNCERTAIN, detail)
        return SendError(error.kind, detail, reason=error.reason, status=error.status)


def _told(message: Message, link: str | None) -> dict[str, Json]:
    told = replace(message, links=links(message, link))
    kind = RESOLVED_KIND if message.status is Status.RESOLVED else KINDS[message.severity]
    bodies = dict.fromkeys(fitted(told, size, _body) for size in SIZES)
    return {"title": message.headline, "kind": kind, "bodies": list(bodies)}


def _body(message: Message) -> str:
    return plain_text(message).removeprefix(message.headline).lstrip("\n")
