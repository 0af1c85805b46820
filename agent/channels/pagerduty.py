"""Opens and resolves PagerDuty incidents through the Events API v2.

The key of an incident is the alert's fingerprint, so every event is safe to repeat and a resolve always finds its
incident. The routing key in the body is the secret; there is no silent test.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from agent.channels.shared.base import CommonConfig, SecretText, SeverityName, Tools, links
from agent.channels.shared.exchange import Request, Response, classify_status, not_the_vendor, refusal
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.core.message import Message
from agent.core.model import Json, Severity, Status
from agent.core.payload import rfc3339
from agent.core.ports import Receipt, SendErrorKind
from agent.core.redact import MASK, Redactor
from agent.core.text import cut

SERVER = "https://events.pagerduty.com"
"""Accounts in the EU have `https://events.eu.pagerduty.com`, set as `base_url`."""
SUMMARY_LIMIT = 1_024
DEDUP_LIMIT = 255
TEXT_LIMIT = 8_000
"""Characters of one detail; the whole event may have 512 KB, and stays far below."""
LINK_LIMIT = 200
LIMITED_FOR = 60.0
"""Seconds: PagerDuty names no wait, and counts by the minute."""


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "pagerduty"`."""

    STATEFUL: ClassVar[bool] = True
    IDEMPOTENT: ClassVar[bool] = True

    type: Literal["pagerduty"]
    routing_key: SecretText
    """The integration key of a service or an event orchestration, 32 characters."""
    min_severity: SeverityName = Field(default=Severity.WARNING)

    @property
    def address(self) -> str:
        """The server; no secret."""
        return self.base_url or SERVER


class Channel:
    """One event for each message: an incident is triggered, updated or resolved."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - the fingerprint is the key
        """Send the event. Raises SendError."""
        response = self._tools.http.request(self._request(message), self._config.timeout)
        return judge(response, self._tools.clock.now().wall, self._tools.redactor)

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request with the routing key masked."""
        return self._request(message).preview().replace(self._config.routing_key.reveal(), MASK)

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _request(self, message: Message) -> Request:
        body = {"routing_key": self._config.routing_key.reveal(), **event(message, self._config.link)}
        return Request("POST", f"{self._config.address}/v2/enqueue", JSON_HEADERS, encoded(body))


def event(message: Message, link: str | None) -> dict[str, Json]:
    """Build the event without the routing key; `link` is the template of a page about the job."""
    dedup_key = cut(message.alert.fingerprint, DEDUP_LIMIT, mark="")
    over = message.status is Status.RESOLVED
    # A resolve needs the key alone; what else it says shows in the log of the incident.
    event = {"event_action": "resolve" if over else "trigger", "dedup_key": dedup_key, "payload": _payload(message)}
    shown = [{"href": item.url, "text": cut(item.text, LINK_LIMIT)} for item in links(message, link)]
    return {**event, "client": "gpuwarden", **({"links": shown, "client_url": shown[0]["href"]} if shown else {})}


def judge(response: Response, now: int, redactor: Redactor) -> Receipt:
    """Read what the errors name, then the status. Raises SendError."""
    error = classify_status(response, now, redactor)
    said = response.object
    if error is None:
        if said.get("status") != "success":
            raise not_the_vendor(response, redactor)
        ref = said.get("dedup_key")
        return Receipt(ref=ref if isinstance(ref, str) else None, status=response.status)
    if error.kind is SendErrorKind.REJECTED and "routing_key" in str(said.get("errors")):
        raise refusal(SendErrorKind.MISCONFIGURED, response, redactor, reason="auth_error")
    if error.kind is SendErrorKind.LIMITED and error.retry_after is None:
        error.retry_after = LIMITED_FOR
    raise error


def _payload(message: Message) -> dict[str, Json]:
    alert = message.alert
    about: Mapping[str, Json] = {
        "component": _component(message),
        "group": alert.job_id,
        "class": alert.labels.get("rule") or str(alert.type),
    }
    return {
        "summary": cut(" · ".join(filter(None, (message.title, message.body))), SUMMARY_LIMIT),
        "source": alert.labels["node"],
        "severity": str(message.severity),
        "timestamp": rfc3339(alert.starts_at),
        **{name: cut(str(value), DEDUP_LIMIT) for name, value in about.items() if value},
        "custom_details": _details(message),
    }


def _component(message: Message) -> str | None:
    gpu, disk = message.alert.gpu or {}, message.alert.disk or {}
    if gpu.get("index") is not None:
        return f"gpu{gpu['index']}"
    return disk.get("mountpoint") or message.alert.labels.get("mountpoint")


def _details(message: Message) -> dict[str, Json]:
    """What an incident's page lists; the plain form has the least of it."""
    told: dict[str, Json] = {"alert_id": message.alert.id, "alert_type": str(message.alert.type)}
    if message.plain:
        return {**told, "text": cut("\n".join((message.body, *message.evidence, message.footer)), TEXT_LIMIT)}
    told |= dict(message.facts)
    if message.evidence:
        told["log"] = cut("\n".join(message.evidence), TEXT_LIMIT)
    if message.advice:
        told["advice"] = message.advice
    return {**told, "footer": message.footer}
