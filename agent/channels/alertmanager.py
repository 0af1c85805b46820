"""Keeps every given Prometheus Alertmanager at the present state of all alerts, through its API v2.

An alert is known by its labels, so values, times and texts are annotations. Alertmanager forgets what it is not
reminded of, and forgets everything when it restarts: so what is open, or was resolved lately, is sent again every
minute, to each instance by itself. If the agent stops, its alerts lapse.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from agent.channels.shared.base import CommonConfig, SecretText, SeverityName, Tools, links
from agent.channels.shared.exchange import DETAIL_LIMIT, Request, Response, classify_status, refusal
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.channels.shared.urls import check_base, masked, rebase
from agent.core.clock import DAY, MINUTE
from agent.core.message import Message
from agent.core.model import Json, NotificationKind, Severity, Status
from agent.core.payload import rfc3339
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.text import cut, utf8

LASTS = 4 * MINUTE
"""How long an alert lasts without a reminder: several of these may be missed."""
ONE_SHOT_LASTS = DAY
"""How long a one-shot alert that nothing ends stays open."""
BATCH = 256
"""Alerts in one request, as many as Prometheus sends."""
VALUE_LIMIT, TEXT_LIMIT = 500, 8_000
"""Characters of a label and of an annotation; Alertmanager has no limit of its own."""

RENAMED: Mapping[str, str] = {"job": "training_job"}
"""Labels that mean something else to Prometheus."""
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_]")
_MOST_TELLING = (
    SendErrorKind.UNCERTAIN, SendErrorKind.RETRY, SendErrorKind.LIMITED, SendErrorKind.REJECTED,
    SendErrorKind.MISCONFIGURED,
)  # fmt: skip
"""Where no instance took an alert, the one that may yet take it decides what happens next."""


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "alertmanager"`."""

    STATEFUL: ClassVar[bool] = True
    IDEMPOTENT: ClassVar[bool] = True

    type: Literal["alertmanager"]
    urls: tuple[str, ...] = Field(min_length=1)
    """Every instance of a cluster by itself, not one address before them all."""
    username: str | None = None
    password: SecretText | None = None
    bearer_token: SecretText | None = None
    min_severity: SeverityName = Field(default=Severity.WARNING)
    quiet_hours: bool = False

    @field_validator("urls")
    @classmethod
    def _check_urls(cls, urls: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        elsewhere = info.data.get("base_url") is not None
        insecure = elsewhere or info.data.get("allow_insecure", False)
        return tuple(check_base(url, allow_insecure=insecure) for url in urls)

    @model_validator(mode="after")
    def _one_login(self) -> "Config":
        if (self.username is None) != (self.password is None) or (self.username and self.bearer_token):
            raise ValueError("found half a login or two, expected username and password, or bearer_token, or none")
        return self

    @property
    def instances(self) -> tuple[str, ...]:
        """The addresses to call."""
        return tuple(rebase(url, self.base_url) for url in self.urls)

    @property
    def authorization(self) -> Mapping[str, str]:
        """The header that logs in, a secret."""
        if self.bearer_token is not None:
            return {"Authorization": f"Bearer {self.bearer_token.reveal()}"}
        if self.username is None or self.password is None:
            return {}
        login = b64encode(f"{self.username}:{self.password.reveal()}".encode()).decode()
        return {"Authorization": f"Basic {login}"}


class Channel:
    """Sends to every instance; it is enough that one of them takes an alert, since they tell each other."""

    refresh_every = 60.0

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - the labels are the key
        """Tell all instances how one alert stands. Raises SendError."""
        content = encoded(list(states(message, self._config.link)))
        responses = self._everywhere(lambda base: [self._post(base, content)])
        return Receipt(ref=message.alert.fingerprint, status=responses[0].status)

    def refresh(self, messages: Sequence[Message], now: int) -> None:
        """Tell all instances again what is open, and what was resolved lately. Raises SendError."""
        link = self._config.link
        told = [_alert(message, message.severity, link) for message in messages if not _lapsed(message, now)]
        batches = [told[start : start + BATCH] for start in range(0, len(told), BATCH)]
        if batches:
            self._everywhere(lambda base: [self._post_valid(base, batch) for batch in batches])

    def probe(self) -> str:
        """Ask every instance whether it is ready and takes the login; one is enough. Raises SendError."""
        ready = self._everywhere(lambda base: [self._get(base, "/-/ready"), self._get(base, "/api/v2/status")])
        instances = len(self._config.urls)
        return f"{len(ready) // 2} of {instances} {'instance is' if instances == 1 else 'instances are'} ready"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request to the first instance."""
        content = encoded(list(states(message, self._config.link)))
        return self._request(self._config.instances[0], content).preview({"authorization"})

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _everywhere(self, call: Callable[[str], list[Response]]) -> list[Response]:
        """Call every instance; the answers of those that took it. Raises SendError if none did."""
        answers: list[Response] = []
        errors: list[SendError] = []
        for base in self._config.instances:
            try:
                answers += call(base)
            except SendError as error:
                errors.append(error)
        if not answers:
            raise min(errors, key=lambda error: _MOST_TELLING.index(error.kind))
        return answers

    def _post_valid(self, base: str, batch: Sequence[Json]) -> Response:
        """Send a batch, and where it is refused its halves, so that one bad alert keeps back none of the others."""
        try:
            return self._post(base, encoded(list(batch)))
        except SendError as error:
            if error.kind is not SendErrorKind.REJECTED or len(batch) == 1:
                raise
        middle, taken = len(batch) // 2, []
        for half in (batch[:middle], batch[middle:]):
            try:
                taken.append(self._post_valid(base, half))
            except SendError as error:
                if error.kind is not SendErrorKind.REJECTED:
                    raise
                refused = error
        if not taken:
            raise refused
        return taken[0]

    def _post(self, base: str, content: bytes) -> Response:
        return self._answer(self._request(base, content))

    def _request(self, base: str, content: bytes) -> Request:
        headers = {**JSON_HEADERS, **self._config.authorization}
        return Request("POST", f"{base}/api/v2/alerts", headers, content)

    def _get(self, base: str, path: str) -> Response:
        return self._answer(Request("GET", base + path, self._config.authorization))

    def _answer(self, request: Request) -> Response:
        """Give each instance its share of the time, so that one that hangs leaves some to the others."""
        response = self._tools.http.request(request, self._config.timeout / len(self._config.urls))
        error = classify_status(response, self._tools.clock.now().wall, self._tools.redactor)
        if error is not None and response.status == 405:  # noqa: PLR2004 - not allowed: no Alertmanager is there
            error = refusal(SendErrorKind.MISCONFIGURED, response, self._tools.redactor, reason="gone")
        if error is not None:
            error.detail = cut(f"{masked(request.url)}: {error.detail}", DETAIL_LIMIT, measure=utf8)
            raise error
        return response


def states(message: Message, link: str | None) -> Iterator[dict[str, Json]]:
    """The alert as it stands; after a change of severity, which is a label, also the end of what it was before."""
    yield _alert(message, message.severity, link)
    if message.kind in (NotificationKind.ESCALATED, NotificationKind.REPEATED):
        for former in Severity:
            if former is not message.severity:
                told = _alert(message, former, link)
                yield {**told, "endsAt": told["startsAt"]}  # past on every clock, so it never fires by itself


def labels(message: Message, severity: Severity) -> dict[str, str]:
    """What identifies the alert, in names that every Prometheus takes."""
    alert = message.alert
    gpu, disk = alert.gpu or {}, alert.disk or {}
    known = {
        **{RENAMED.get(name, name): value for name, value in alert.labels.items()},
        "gpu": gpu.get("index"),
        "gpu_uuid": gpu.get("uuid"),
        "mountpoint": disk.get("mountpoint") or alert.labels.get("mountpoint"),
        "training_job": alert.job_id or alert.labels.get("job"),
        "fingerprint": alert.fingerprint,
        "alertname": str(alert.type),
        "severity": str(severity),
    }
    return {_label(name): cut(str(value), VALUE_LIMIT) for name, value in known.items() if value not in (None, "")}


def _alert(message: Message, severity: Severity, link: str | None) -> dict[str, Json]:
    alert, pages = message.alert, links(message, link)
    facts = (f"{label}: {value}" for label, value in message.facts)
    about = "\n".join(filter(None, (message.body, *facts, message.footer)))
    annotations = {
        "summary": message.title,
        "description": cut(about, TEXT_LIMIT),
        "log": cut("\n".join(message.evidence), TEXT_LIMIT),
        "advice": message.advice,
        "alert_id": alert.id,
    }
    told = {
        "labels": labels(message, severity),
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": rfc3339(_ends_at(message)),
    }
    return {**told, "generatorURL": pages[0].url} if pages else told


def _ends_at(message: Message) -> int:
    alert = message.alert
    if message.status is Status.RESOLVED:
        ends_at = message.at if alert.ends_at is None else alert.ends_at
    else:
        ends_at = message.at + LASTS
        if message.status is Status.EVENT:
            ends_at = min(ends_at, alert.starts_at + ONE_SHOT_LASTS)
    return max(ends_at, alert.starts_at)


def _lapsed(message: Message, now: int) -> bool:
    return message.status is Status.EVENT and now >= message.alert.starts_at + ONE_SHOT_LASTS


def _label(name: str) -> str:
    clean = _FORBIDDEN.sub("_", cut(name, VALUE_LIMIT, mark=""))
    return clean if clean and not clean[0].isdigit() else f"_{clean}"
