"""Posts to Slack as Block Kit: through an incoming webhook, or as a bot, which threads and edits (`shared.slack_bot`).

A webhook answers with one word, which tells more than the status: `ok` alone is success. Neither offers idempotency.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from agent.channels.shared.base import CommonConfig, SecretText, Tools, links
from agent.channels.shared.block_kit import render
from agent.channels.shared.exchange import Request, Response, classify_status, not_the_vendor, refusal
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.channels.shared.slack_bot import SERVER, Bot
from agent.channels.shared.urls import check_url, rebase
from agent.core.message import Message
from agent.core.model import Json
from agent.core.ports import Receipt, SendErrorKind
from agent.core.redact import Redactor, Secret

_REJECTED = (SendErrorKind.REJECTED, "client_error")
_FORBIDDEN = (SendErrorKind.MISCONFIGURED, "auth_error")
_GONE = (SendErrorKind.MISCONFIGURED, "gone")

WORDS: Mapping[str, tuple[SendErrorKind, str]] = {
    **dict.fromkeys(
        ("invalid_payload", "user_not_found", "no_text", "too_many_attachments", "invalid_blocks"), _REJECTED
    ),
    **dict.fromkeys(
        ("action_prohibited", "invalid_token", "posting_to_general_channel_denied", "team_disabled"), _FORBIDDEN
    ),
    **dict.fromkeys(
        ("channel_not_found", "no_service", "no_active_hooks", "no_team", "no_service_id", "channel_is_archived"), _GONE
    ),
    "rollup_error": (SendErrorKind.RETRY, "server_error"),
}
"""What Slack's answers mean, whatever status they come with: a 500 has been seen with `action_prohibited`."""

EMPTY = frozenset({"no_text", "invalid_payload"})
"""What Slack says to a message without text, if nothing else is wrong."""


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "slack"`: `url` of an incoming webhook, or a bot's `token` and a `channel`."""

    PICTURES = True
    """A bot's messages; to a webhook, none can be sent."""

    type: Literal["slack"]
    url: SecretText | None = None
    token: SecretText | None = None
    """A bot's, `xoxb-…`, with the scope `chat:write`."""
    channel: str | None = Field(default=None, min_length=1)
    """The id of a channel, or its name."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: Secret | None, info: ValidationInfo) -> Secret | None:
        if url is not None:
            elsewhere = info.data.get("base_url") is not None
            check_url(url.reveal(), allow_insecure=elsewhere or info.data.get("allow_insecure", False))
        return url

    @model_validator(mode="after")
    def _one_way(self) -> "Config":
        webhook, bot = self.url is not None, self.token is not None and self.channel is not None
        half = (self.token is None) != (self.channel is None)
        if half or webhook == bot:
            found = "half of them" if half else "both" if bot else "neither"
            raise ValueError(f"found {found}, expected url, or token and channel")
        return self

    @property
    def address(self) -> str:
        """The webhook, a secret, or the server of the Web API."""
        return self.base_url or SERVER if self.url is None else rebase(self.url.reveal(), self.base_url)


class Channel:
    """A webhook takes a message and gives nothing back; a bot keeps one thread a job."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools
        self._bot: Bot | None = None
        if config.token is not None and config.channel is not None:
            self._bot = Bot(config.address, config.token, config.channel, tools)

    def send(self, message: Message, key: str) -> Receipt:
        """Post the message. Raises SendError."""
        content = render(message, links(message, self._config.link))
        if self._bot is not None:
            return self._bot.send(message, content, key, self._config.timeout)
        return self._judge(self._tools.http.request(self._webhook(content), self._config.timeout))

    def probe(self) -> str:
        """Ask whose token it is; or post nothing: a webhook that is alive refuses an empty text. Raises SendError."""
        if self._bot is not None:
            return self._bot.probe(self._config.timeout)
        response = self._tools.http.request(self._webhook({"text": ""}), self._config.timeout)
        if response.text.strip() not in EMPTY:
            self._judge(response)
        return "the webhook is alive"

    def preview(self, message: Message, key: str) -> str:
        """Show the request that posts the message, with the webhook's URL or the token masked."""
        content = render(message, links(message, self._config.link))
        if self._bot is not None:
            return self._bot.first(message, content, key).preview({"authorization"})
        return self._webhook(content).preview()

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _webhook(self, content: Mapping[str, Json]) -> Request:
        return Request("POST", self._config.address, JSON_HEADERS, encoded(dict(content)))

    def _judge(self, response: Response) -> Receipt:
        return judge(response, self._tools.clock.now().wall, self._tools.redactor)


def judge(response: Response, now: int, redactor: Redactor) -> Receipt:
    """Read Slack's word, then the status. Raises SendError."""
    word = response.text.strip()
    if response.status == HTTPStatus.OK and word == "ok":
        return Receipt(status=response.status)
    if word in WORDS:
        kind, reason = WORDS[word]
        raise refusal(kind, response, redactor, reason=reason)
    raise classify_status(response, now, redactor) or not_the_vendor(response, redactor)
