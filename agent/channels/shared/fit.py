"""Makes a message fit a vendor's limit, in the vendor's own unit: what is said is cut, never what was written of it.

So no escape, tag or surrogate pair is ever cut in two. Log lines go first, from their beginning, since the end of a
traceback tells most; then links, facts and text; the headline stays.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from agent.core.message import Message
from agent.core.ports import SendError, SendErrorKind
from agent.core.text import cut, tail_lines

Written = TypeVar("Written", str, bytes)


@dataclass(frozen=True, slots=True)
class _Room:
    """What each part of a message may take, in characters, and how many facts and links there may be."""

    evidence: int
    text: int = 2_000
    value: int = 500
    facts: int = 64
    links: int = 5
    url: int = 2_000


_EVER_LESS = (
    *(_Room(evidence) for evidence in (1_400, 1_000, 700, 500)),
    _Room(350, text=1_000, value=300, facts=20, links=3, url=500),
    _Room(250, text=600, value=160, facts=12, links=2, url=300),
    _Room(120, text=300, value=80, facts=8, links=1, url=200),
    _Room(0, text=120, value=40, facts=4, links=0),
    _Room(0, text=60, value=20, facts=0, links=0),
)


def fitted(
    message: Message, limit: int, write: Callable[[Message], Written], measure: Callable[[Written], int] = len
) -> Written:
    """Write the longest form of the message that measures at most `limit`. Raises SendError if none does."""
    for shorter in _ever_shorter(message):
        written = write(shorter)
        if measure(written) <= limit:
            return written
    raise SendError(SendErrorKind.REJECTED, f"the message is larger than {limit}", reason="client_error")


def _ever_shorter(message: Message) -> Iterator[Message]:
    yield message
    for room in _EVER_LESS:
        yield replace(
            message,
            body=cut(message.body, room.text),
            facts=_facts(message, room),
            evidence=tail_lines(message.evidence, room.evidence) if room.evidence else (),
            advice=cut(message.advice, room.value) if message.advice else None,
            links=tuple(link for link in message.links if len(link.url) <= room.url)[: room.links],
            footer=cut(message.footer, room.value * 2),
        )


def _facts(message: Message, room: _Room) -> tuple[tuple[str, str], ...]:
    kept = [(cut(label, room.value // 2), cut(value, room.value)) for label, value in message.facts[: room.facts]]
    left_out = len(message.facts) - len(kept)
    return (*kept, *([("More", f"{left_out} facts (cut)")] if left_out else []))
