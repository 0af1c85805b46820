"""Sends e-mail through a mail server: text and HTML, one thread a job.

A repeat carries the same Message-ID, which some stores drop; it is a hint and no promise.
"""

from collections.abc import Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from agent.channels.shared.base import CommonConfig, SecretText, Tools, links
from agent.channels.shared.mail import compose
from agent.channels.shared.smtp import MailServer, Security, deliver, verify
from agent.channels.shared.urls import is_loopback
from agent.core.message import Message
from agent.core.ports import Receipt

PORTS: Mapping[Security, int] = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


def _address(text: str) -> str:
    expected = 'expected an address such as "gpu@example.com" or "GPU alerts <gpu@example.com>"'
    _, bare = parseaddr(text)
    if not text.isprintable() or bare.count("@") != 1 or bare.endswith("@") or bare.startswith("@"):
        raise ValueError(f"found {text!r}, {expected}")
    try:
        Address(addr_spec=bare)
    except (ValueError, IndexError):
        raise ValueError(f"found {text!r}, {expected}") from None
    return text


MailAddress = Annotated[str, AfterValidator(_address)]


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "email"`."""

    PICTURES = True

    type: Literal["email"]
    host: str = Field(min_length=1, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int | None = Field(default=None, ge=1, le=65_535)
    """Default: 587 with STARTTLS, 465 with TLS, 25 without."""
    security: Security = Security.STARTTLS
    username: str | None = None
    password: SecretText | None = None
    sender: MailAddress = Field(alias="from")
    to: tuple[MailAddress, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _safe(self) -> "Config":
        if (self.username is None) != (self.password is None):
            raise ValueError("found a username or a password alone, expected both or neither")
        if self.security is Security.NONE and not (self.allow_insecure or is_loopback(self.host)):
            raise ValueError(
                f'found security "none" with {self.host}, expected starttls or tls (or allow_insecure = true)'
            )
        return self

    @property
    def address(self) -> str:
        """The server as a URL, to be reached by `check --online`; no secret."""
        return f"smtp://{self.host}:{self.server.port}"

    @property
    def server(self) -> MailServer:
        """Where the mail is handed in."""
        port = self.port if self.port is not None else PORTS[self.security]
        return MailServer(self.host, port, self.security, self.username, self.password)


class Channel:
    """One mail for each message."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    def send(self, message: Message, key: str) -> Receipt:
        """Hand the mail in. Raises SendError."""
        config, tools = self._config, self._tools
        picture = tools.picture(message)
        mail = compose(message, links(message, config.link), key, config.sender, config.to, picture)
        recipients = [parseaddr(address)[1] for address in config.to]
        deliver(
            config.server, tools.http, tools.redactor, config.timeout, parseaddr(config.sender)[1], recipients,
            mail.as_bytes(),
        )  # fmt: skip
        return Receipt(ref=mail["Message-ID"])

    def probe(self) -> str:
        """Connect, secure the connection, log in, and hand nothing in. Raises SendError."""
        config, tools = self._config, self._tools
        verify(config.server, tools.http, tools.redactor, config.timeout)
        return f"{config.host} accepts {config.username or 'mail without a login'}"

    def preview(self, message: Message, key: str) -> str:
        """Show the mail, decoded, with its way; a picture is not drawn for that."""
        config = self._config
        mail = compose(message, links(message, config.link), key, config.sender, config.to)
        parts = [part.get_content() for part in mail.walk() if not part.is_multipart()]
        way = f"SMTP {config.host}:{config.server.port} ({config.security})"
        headers = [f"{name}: {value}" for name, value in mail.items()]
        return "\n".join([way, *headers, "", *parts])

    def close(self) -> None:
        """Nothing is kept open between two mails."""
