"""Prints each message as one block on the standard output: the channel there is when none is configured."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from agent.channels.shared.base import CommonConfig, Tools, links
from agent.core.local_time import local
from agent.core.message import Message
from agent.core.ports import Receipt, SendError, SendErrorKind

RULE = "─" * 72


class Config(CommonConfig):
    """`[channels.NAME]` with `type = "console"`: no keys of its own."""

    CALLS_OUT: ClassVar[bool] = False

    type: Literal["console"]


class Channel:
    """Writes through the tool it is handed; it adds no colour, since the output is usually a journal."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._write = tools.write

    def send(self, message: Message, key: str) -> Receipt:  # noqa: ARG002 - a reader knows a repeat by its footer
        """Print the message. Raises SendError when nobody can be written to any more."""
        try:
            self._write(self._block(message))
        except OSError as error:
            text = f"the standard output takes no text: {error.strerror or type(error).__name__}"
            raise SendError(SendErrorKind.RETRY, text) from None
        return Receipt()

    def preview(self, message: Message, key: str) -> str:  # noqa: ARG002 - as above
        """Return what `send` would print."""
        return self._block(message)

    def close(self) -> None:
        """Nothing to let go of."""

    def _block(self, message: Message) -> str:
        shown = links(message, self._config.link)
        return "\n".join((RULE, *_lines(message), *(f"{link.text}: {link.url}" for link in shown), message.footer, ""))


def _lines(message: Message) -> Iterator[str]:
    yield f"{message.headline}  [{message.severity}]  {local(message.at, message.clock_zone):%Y-%m-%d %H:%M:%S %Z}"
    if message.body:
        yield message.body
    width = max((len(label) for label, _ in message.facts), default=0)
    for label, value in message.facts:
        yield f"  {label:<{width}}  {value}"
    for line in message.evidence:
        yield f"  | {line}"
    if message.advice:
        yield f"Advice: {message.advice}"
