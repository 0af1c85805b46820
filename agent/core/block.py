"""What it takes to put several lines together that mean one thing.

A block is handed the lines that follow the one that began it, from the same writer. It never keeps more than a few.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from agent.core.model import Json

CONTEXT_LENGTH = 300
"""Characters of a line of context that are kept."""
LINES_AT_MOST = 4_000
"""A longer block is cut: the deepest tracebacks seen, of compilers, have about a thousand frames."""
NOISE_AT_MOST = 20
"""Lines of other writers that may stand between the lines of a block."""


class Step(Enum):
    """What a block did with a line."""

    TAKEN = auto()
    FOREIGN = auto()
    """The line is another's; the block goes on."""
    ENDED = auto()
    """The line completed the block."""
    CUT = auto()
    """The block ended before this line, incomplete."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a block says: its one-line text, lines worth showing, and facts."""

    text: str
    context: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


class Block(Protocol):
    """Several lines that mean one thing."""

    def take(self, text: str) -> Step:
        """Look at the next line."""
        ...

    def told(self) -> Told:
        """Sum up what was seen so far."""
        ...
