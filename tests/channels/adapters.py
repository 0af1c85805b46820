"""What the shared suite must know of each channel: one entry a type. A new channel adds its own here."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy

from agent.channels.webhook import MOST_BYTES
from tests.support import discord, slack, smtp
from tests.support.standin import Answer, Received, StandIn

SECRET_PATH = "/hooks/path-s3cret-0123456789"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Adapter:
    table: Callable[[str], dict]
    """The channel's table, given the stand-in's URL."""
    check: Callable[[bytes], list[str]]
    """What the vendor would refuse in a request's body, or in what is printed; empty when it is good."""
    text: Callable[[bytes], str] = lambda body: body.decode()
    """What a person would read of it, with the channel's escapes undone."""
    secrets: tuple[str, ...] = ()
    """Texts that may appear in the request alone."""
    accepted: Answer | None = None
    """How the vendor says yes; None for a channel that sends no HTTP."""
    statuses: Mapping[int, str] | None = None
    """Statuses that mean something else here than in the common table."""

    serve: Callable[[], StandIn] | None = None
    """A stand-in of its own, for a channel that needs more than one request; None where `accepted` is enough."""
    carries: Callable[[Received], bool] = lambda request: request.method != "GET"
    """Whether a request carries the message; others look something up."""
    probe: Answer | None = None
    """How the vendor answers a silent test when all is well; None where it has none, or not over HTTP."""

    capture: Callable[[Callable[[str], object], object, str], bytes] | None = None
    """Sends one message through a server of the channel's own kind, and gives what arrived."""

    def stand_in(self) -> StandIn:
        """The vendor, who accepts."""
        return self.serve() if self.serve is not None else StandIn(self.accepted)

    @property
    def http(self) -> bool:
        return self.accepted is not None


def _json_text(body: bytes) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False)


def _webhook_problems(body: bytes) -> list[str]:
    found = [] if len(body) <= MOST_BYTES else [f"{len(body)} bytes"]
    content = json.loads(body)
    return found + [f"the key {key}" for key in content.keys() ^ {"type", "timestamp", "data"}]


def _console_problems(printed: bytes) -> list[str]:
    return [] if len(printed) < 64 * 1024 else [f"{len(printed)} bytes"]


def _slack_text(body: bytes) -> str:
    text = _json_text(body)
    assert not re.search(r"<[!@#]", text), "a mention"
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _discord_text(body: bytes) -> str:
    return re.sub(r"\\\\([*_~|>#\-\[\]()`]|\\\\)", r"\1", _json_text(body))


def _captured_mail(build: Callable[[str], object], what: object, key: str) -> bytes:
    with smtp.MailServer() as server:
        build(str(server.port)).send(what, key)
        (content,) = server.bytes
    return content


def _mail_problems(content: bytes) -> list[str]:
    found = [f"a line of {len(line)}" for line in content.split(b"\r\n") if len(line) > 998]
    return found + ([] if content.isascii() else ["not ASCII"]) + (["too long"] if len(content) > 1 << 20 else [])


def _mail_text(content: bytes) -> str:
    mail = message_from_bytes(content, policy=policy.default)
    return f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}"


ADAPTERS: Mapping[str, Adapter] = {
    "console": Adapter(table=lambda _: {"type": "console"}, check=_console_problems),
    "webhook": Adapter(
        table=lambda url: {
            "type": "webhook", "url": url + SECRET_PATH, "secret": SIGNING,
            "headers": {"X-Api-Key": "header-s3cret", "Authorization": "Bearer bearer-s3cret"},
        },
        check=_webhook_problems,
        text=_json_text,
        secrets=(SECRET_PATH, SIGNING, SIGNING.removeprefix("whsec_"), "header-s3cret", "bearer-s3cret"),
        accepted=Answer(204),
    ),
    "slack": Adapter(
        table=lambda url: {"type": "slack", "url": url + slack.PATH},
        check=slack.problems,
        text=_slack_text,
        secrets=(slack.PATH, slack.PATH.rpartition("/")[2]),
        accepted=Answer(200, body=b"ok"),
        probe=Answer(400, body=b"no_text"),
    ),
    "discord": Adapter(
        table=lambda url: {"type": "discord", "url": url + discord.PATH},
        check=discord.problems,
        text=_discord_text,
        secrets=(discord.PATH, discord.PATH.rpartition("/")[2]),
        accepted=Answer(200, body=discord.SAVED),
        probe=Answer(200, body=discord.WEBHOOK),
    ),
    "email": Adapter(
        table=lambda url: {
            "type": "email", "host": "127.0.0.1", "port": int(url.rpartition(":")[2]), "security": "none",
            "from": "gpu@example.com", "to": ["a@example.com"],
        },
        check=_mail_problems,
        text=_mail_text,
        capture=_captured_mail,
    ),
}  # fmt: skip
