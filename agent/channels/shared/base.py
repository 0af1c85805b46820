"""What every channel's module is made of: the common keys of `[channels.NAME]`, and the tools it is handed.

The module's name is the registration: `type = "slack"` loads `agent.channels.slack`, which exports `Config`, derived
from `CommonConfig`, and `Channel`, made as `Channel(name, config, tools)`. Policy reads the traits off the `Config`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import quote

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from agent.channels.shared import drawing
from agent.channels.shared.urls import check_base, check_url, rebase
from agent.core.chart import Chart
from agent.core.clock import Clock
from agent.core.message import Message
from agent.core.model import AlertType, Json, Link, Severity
from agent.core.redact import MASK, Redactor, Secret
from agent.core.units import parse_duration

if TYPE_CHECKING:  # a channel that only prints needs no HTTP client
    from agent.channels.shared.http import Ask, Client

SECRET_SCHEMA: Mapping[str, Json] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {form: {"type": "string"} for form in ("env", "file", "credential")},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        },
    ]
}
"""A secret as users write it; the forms other than a text are replaced by their values before validation."""


def _secret(value: Json) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("found no text, expected a secret")
    return Secret(value)


def _severity(value: Json) -> Severity:
    if isinstance(value, str):
        return Severity.parse(value)
    if isinstance(value, Severity):
        return value
    raise ValueError("found another value, expected info, warning or critical")


SecretText = Annotated[
    Secret,
    PlainValidator(_secret),
    PlainSerializer(lambda _: MASK, return_type=str),
    WithJsonSchema(dict(SECRET_SCHEMA)),
]
SeverityName = Annotated[
    Severity,
    PlainValidator(_severity),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "enum": [str(severity) for severity in Severity]}),
]
PICTURE_TIME = 5.0
"""Seconds for all requests that add a picture to a message."""

Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=600)]


class CommonConfig(BaseModel):
    """The keys of every `[channels.NAME]`, and what policy must know of the type."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    STATEFUL: ClassVar[bool] = False
    """Whether the receiver holds one object per fingerprint (an incident, an issue), which resolves must reach."""
    PROGRAM: ClassVar[bool] = False
    """Whether a program reads the messages, not a person: they are never grouped."""
    IDEMPOTENT: ClassVar[bool] = False
    """Whether the receiver can tell a repeat by its key, so that no text needs to say that it may repeat."""
    CALLS_OUT: ClassVar[bool] = True
    """Whether it uses the HTTP client, which is then made together with the channel."""
    PICTURES: ClassVar[bool] = False
    """Whether the receiver shows pictures."""

    type: str
    enabled: bool = True
    alerts: tuple[AlertType, ...] | None = None
    """The types to take; None for those that are on by default."""
    min_severity: SeverityName = Severity.INFO
    match: Mapping[str, str] = Field(default_factory=dict)
    quiet_hours: bool = True
    """Whether it keeps quiet hours."""
    max_per_hour: int | None = Field(default=None, ge=1, le=3_600)
    """Instead of that of `[rate_limit]`."""
    timeout: Seconds = 15.0
    """For one whole request."""
    allow_insecure: bool = False
    base_url: str | None = None
    """Replaces scheme and host of the vendor's address."""
    link: str | None = Field(default=None, pattern="^https?://")
    """Template of a page about a job; `{job_id}` is filled in."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, base: str | None, info: ValidationInfo) -> str | None:
        return None if base is None else check_base(base, allow_insecure=info.data.get("allow_insecure", False))

    @property
    def pictures(self) -> bool:
        """Whether messages come with pictures: the receiver shows them, and this machine can draw."""
        return self.PICTURES and drawing.available()


class UrlConfig(CommonConfig):
    """A channel whose whole address is given by its receiver, and is a secret."""

    url: SecretText

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: Secret, info: ValidationInfo) -> Secret:
        elsewhere = info.data.get("base_url") is not None
        check_url(url.reveal(), allow_insecure=elsewhere or info.data.get("allow_insecure", False))
        return url

    @property
    def address(self) -> str:
        """The URL to call, a secret."""
        return rebase(self.url.reveal(), self.base_url)


@dataclass(frozen=True, slots=True)
class Tools:
    """What a channel may use of the world."""

    open_http: Callable[[], "Client"] = field(repr=False)
    """Returns the one client that all channels share; the first call makes it."""
    clock: Clock
    redactor: Redactor
    write: Callable[[str], None] = field(repr=False)
    """Writes text to the standard output."""
    draw: Callable[[Chart], bytes | None] = field(default=drawing.draw, repr=False)
    """Draws a PNG within seconds; None where that fails."""

    @property
    def http(self) -> "Client":
        """The one client."""
        return self.open_http()

    def picture(self, message: Message) -> bytes | None:
        """The picture that belongs to a message, if there is one; never raises, and takes a few seconds at most."""
        return None if message.chart is None else self.draw(message.chart)

    def afterwards(self) -> "Ask":
        """Send what adds a picture to a message that was accepted.

        It has seconds only: were the agent ended before the message is noted as delivered, it would be repeated.
        """
        return self.http.calls(PICTURE_TIME)


def links(message: Message, template: str | None) -> tuple[Link, ...]:
    """List the message's links, and the channel's own page about the job first."""
    job = message.alert.job_id
    if template is None or (job is None and "{job_id}" in template):
        return message.links
    return (Link("View details", template.replace("{job_id}", quote(job or "", safe=""))), *message.links)
