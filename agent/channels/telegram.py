"""Sends through a Telegram bot to one chat, as HTML.

A group that became a supergroup has a new id, which Telegram names in its refusal; the message follows it at once. So
does one whose topic is gone, into the chat itself. A picture answers the message: a caption would be too short for the
text. Telegram offers no idempotency.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape as html_escape
from html import unescape
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Field, field_validator

from agent.channels.shared.base import CommonConfig, SecretText, Tools, links
from agent.channels.shared.exchange import Request, Response, bounded, classify_status, not_the_vendor
from agent.channels.shared.fit import fitted
from agent.channels.shared.markup import Markup, plain_text
from agent.channels.shared.multipart import form
from agent.channels.shared.posting import JSON_HEADERS, encoded
from agent.core.message import Message
from agent.core.model import Json, Severity
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.redact import Redactor, Secret
from agent.core.references import References
from agent.core.text import utf16

SERVER = "https://api.telegram.org"
TEXT_LIMIT = 4_096
"""UTF-16 units, as Telegram counts everything, after the markup was parsed."""
MOST_HOPS = 3
"""Requests for one message: to the chat as configured, to where it moved, and out of a topic that is gone."""

PERMANENT = (
    "chat not found", "bot was blocked by the user", "user is deactivated", "bot was kicked from the",
    "group chat was deleted", "bot is not a member", "not enough rights", "have no rights", "need administrator rights",
)  # fmt: skip
"""Parts of what Telegram says when the chat, not the message, is at fault. They come with 400 and with 403."""
NO_TOPIC = ("message thread not found", "topic_closed", "topic_deleted")


def _chat(value: Json) -> int | str:
    """Read a chat's id, which may be a number that came as text, as from the environment."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else ""
    if re.fullmatch(r"-?\d{1,19}", text):
        return int(text)
    if re.fullmatch(r"@\w{1,64}", text, re.ASCII):
        return text
    raise ValueError(f'found {value!r}, expected a number such as -1001234567890, or the "@name" of a channel')


ChatId = Annotated[int | str, BeforeValidator(_chat)]


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "telegram"`."""

    PICTURES = True

    type: Literal["telegram"]
    token: SecretText
    """The bot's, as BotFather gave it."""
    chat_id: ChatId
    """A number, negative for groups, or the `@name` of a public channel."""
    topic_id: int | None = Field(default=None, gt=0)
    """`message_thread_id` of a topic in a forum group."""

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: Secret) -> Secret:
        if not re.fullmatch(r"[A-Za-z0-9_:-]+", token.reveal()) or token.reveal().startswith("bot"):
            raise ValueError("found another text, expected a bot's token: a number, a colon, letters and digits")
        return token

    @property
    def address(self) -> str:
        """The server; no secret."""
        return self.base_url or SERVER


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message goes, and what its readers must know if that is not what the configuration says."""

    chat: int | str
    topic: int | None
    note: str = ""


class Channel:
    """One message to one chat."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - Telegram takes no key
        """Send the message, after its chat if that has moved. Raises SendError."""
        picture = self._tools.picture(message)
        ask = self._tools.http.calls(self._config.timeout)
        place = self._place(message.references)
        for _ in range(MOST_HOPS):
            response = ask(self._sending(message, place))
            moved = elsewhere(response, place)
            if moved is None:
                break
            place = moved
        sent = self._result(response, "message_id")
        if picture is not None:
            with contextlib.suppress(SendError):  # the message has arrived, and must not be sent again
                photo = form(self._method("sendPhoto"), _answering(sent["message_id"], place), "photo", picture)
                self._tools.afterwards()(photo)
        came_from = self._config.chat_id
        moved_to = f"{came_from}>{place.chat}" if place.chat != came_from else None
        return Receipt(ref=str(sent["message_id"]), status=response.status, moved_to=moved_to)

    def probe(self) -> str:
        """Ask who the bot is, and for the chat. Raises SendError."""
        ask = self._tools.http.calls(self._config.timeout)
        bot = self._result(ask(Request("GET", self._method("getMe"), {})), "id")
        chat = quote(str(self._config.chat_id), safe="")
        found = self._result(ask(Request("GET", f"{self._method('getChat')}?chat_id={chat}", {})), "id")
        return f"@{bot.get('username')} knows the chat {found.get('title') or found.get('username') or 'of a person'}"

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Show the request; its URL, which holds the token, is masked."""
        return self._sending(message, self._place(message.references)).preview()

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""

    def _place(self, known: References) -> _Place:
        """The chat that is configured, or where that one has moved; another one has not moved with it."""
        config = self._config
        came_from, _, moved = (known.moved_to or "").partition(">")
        followed = moved and came_from == str(config.chat_id)
        return _Place(int(moved) if followed else config.chat_id, config.topic_id)

    def _sending(self, message: Message, place: _Place) -> Request:
        body = _body(message, place, self._config.link)
        return Request("POST", self._method("sendMessage"), JSON_HEADERS, encoded(body))

    def _method(self, name: str) -> str:
        return f"{self._config.address}/bot{self._config.token.reveal()}/{name}"

    def _result(self, response: Response, key: str) -> Mapping[str, Json]:
        return result(response, key, self._tools.clock.now().wall, self._tools.redactor)


def elsewhere(response: Response, place: _Place) -> _Place | None:
    """Tell where a refused message has to go instead, if Telegram says so."""
    said = response.object
    parameters = said.get("parameters")
    moved = parameters.get("migrate_to_chat_id") if isinstance(parameters, dict) else None
    if isinstance(moved, int) and moved != place.chat:
        return replace(place, chat=moved, note=f"this chat has a new id, set chat_id = {moved}")
    if place.topic is not None and _says(said, NO_TOPIC):
        return replace(place, topic=None, note=f"topic {place.topic} is gone or closed")
    return None


def result(response: Response, key: str, now: int, redactor: Redactor) -> Mapping[str, Json]:
    """Read what Telegram gives, which holds `key`; `now` as in `classify_status`. Raises SendError."""
    said = response.object
    error = classify_status(response, now, redactor)
    if error is None:
        given = said.get("result")
        if said.get("ok") is not True or not isinstance(given, dict) or key not in given:
            raise not_the_vendor(response, redactor)
        return given
    if error.kind is SendErrorKind.REJECTED and _says(said, PERMANENT):
        raise SendError(SendErrorKind.MISCONFIGURED, error.detail, reason="gone", status=error.status)
    parameters = said.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if error.kind is SendErrorKind.LIMITED and isinstance(wait, int):
        error.retry_after = bounded(wait)
    raise error


def _says(said: Json, fragments: Sequence[str]) -> bool:
    """Whether the description holds one of these; the wording is no contract, so letters' case does not count."""
    description = str(said.get("description", "")).lower()
    return any(fragment in description for fragment in fragments)


def _body(message: Message, place: _Place, link: str | None) -> Json:
    footer = " · ".join(filter(None, (message.footer, place.note)))
    told = replace(message, links=links(message, link), footer=footer)
    body: dict[str, Json] = {"chat_id": place.chat}
    if place.topic is not None:
        body["message_thread_id"] = place.topic
    if message.plain:
        body["text"] = fitted(told, TEXT_LIMIT, plain_text, utf16)
    else:
        body |= {"text": fitted(told, TEXT_LIMIT, HTML.write, parsed_length), "parse_mode": "HTML"}
    if message.severity is Severity.INFO:
        body["disable_notification"] = True
    told_before = message.references.ref
    if told_before and told_before.isdecimal():
        earlier = {"message_id": int(told_before), "allow_sending_without_reply": True}
        body["reply_parameters"] = earlier
    return {**body, "link_preview_options": {"is_disabled": True}}


def _answering(message_id: Json, place: _Place) -> Mapping[str, Json]:
    """The fields of a photo that answers a message, and makes no sound of its own."""
    topic = {} if place.topic is None else {"message_thread_id": place.topic}
    earlier = {"message_id": message_id, "allow_sending_without_reply": True}
    return {"chat_id": place.chat, **topic, "reply_parameters": earlier, "disable_notification": True}


def parsed_length(text: str) -> int:
    """Measure what is left of a text when its markup has been parsed."""
    return utf16(unescape(re.sub(r"<[^>]*>", "", text)))


def escape(text: str) -> str:
    """Escape the three characters that Telegram's HTML knows."""
    return html_escape(text, quote=False)


HTML = Markup(
    escape,
    title="<b>{}</b>",
    label="<b>{}:</b>",
    code=lambda lines: f"<pre>{escape(chr(10).join(lines))}</pre>",
    link='<a href="{1}">{0}</a>',
    target=html_escape,
)
