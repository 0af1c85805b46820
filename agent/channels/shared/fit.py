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


def _share(share: float) -> _Room:
    """Give every part its share of what it has while only the log lines are cut."""
    return _Room(
        evidence=int(500 * share),
        text=int(2_000 * share),
        value=max(20, int(500 * share)),
        facts=int(32 * share),
        links=int(5 * share),
        url=int(2_000 * share),
    )


_EVER_LESS = (
    *(_Room(evidence) for evidence in (1_600, 1_300, 1_000, 800, 650, 500)),
    *(_share(0.8**step) for step in range(1, 20)),
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
