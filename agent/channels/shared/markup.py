"""A message as one text: with a vendor's markup, where it has one, or without any."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from agent.core.message import Message


@dataclass(frozen=True, slots=True)
class Markup:
    """How a vendor writes what stands out. Every text of a message goes through `escape`, and nothing else does."""

    escape: Callable[[str], str]
    title: str
    """Around the headline, as a format of one text."""
    label: str
    """Before a value, as a format of one text."""
    code: Callable[[Sequence[str]], str]
    """Log lines, which it has to escape, as one block."""
    link: str
    """A format of text and address."""
    target: Callable[[str], str]
    """An address, so that it cannot end what stands around it."""
    newline: str = "\n"

    def write(self, message: Message) -> str:
        """Write the whole message."""
        return self.newline.join(filter(None, self._parts(message)))

    def _parts(self, message: Message) -> Iterator[str]:
        yield self.title.format(self.escape(message.headline))
        yield self._text(message.body)
        for label, value in message.facts:
            yield f"{self.label.format(self.escape(label))} {self._text(value)}"
        if message.evidence:
            yield self.code(message.evidence)
        if message.advice:
            yield f"{self.label.format('Advice')} {self._text(message.advice)}"
        for link in message.links:
            yield self.link.format(self._text(link.text), self.target(link.url))
        yield self._text(message.footer)

    def _text(self, text: str) -> str:
        return self.newline.join(map(self.escape, text.split("\n")))


def plain_text(message: Message) -> str:
    """Write the message without any markup: for vendors that have none, and as the fallback of those that do."""
    facts = (f"{label}: {value}" for label, value in message.facts)
    advice = f"Advice: {message.advice}" if message.advice else ""
    pages = (f"{link.text}: {link.url}" for link in message.links)
    lines = (message.headline, message.body, *facts, *message.evidence, advice, *pages, message.footer)
    return "\n".join(filter(None, lines))


def backslashed(characters: str) -> Callable[[str], str]:
    """Make an `escape` for a Markdown that knows these characters as markup, and for HTML in it."""
    markup = re.compile(f"([{re.escape(characters)}])")

    def escape(text: str) -> str:
        return markup.sub(r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    return escape


def indented(line: str) -> str:
    """Keep the indent of a line where Markdown would drop it: its spaces become ones that do not break."""
    bare = line.lstrip(" \t")
    return line[: len(line) - len(bare)].replace("\t", "    ").replace(" ", "\u00a0") + bare


def in_parentheses(url: str) -> str:
    """Write an address so that it can stand in the parentheses of a Markdown link."""
    return quote(url, safe="%/:?&=#@!$+,;~'*-._")
