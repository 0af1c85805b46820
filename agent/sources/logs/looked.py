"""What one look at a log comes to."""

from dataclasses import dataclass
from enum import Enum, auto

from agent.core.facts import Event


class State(Enum):
    """What a look found of the file."""

    THERE = auto()
    MOVED = auto()
    """The path names another file, or none; this one is still followed."""
    REPLACED = auto()
    """The content is another: truncated, rewritten, or an inode number used again."""
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Looked:
    """The outcome of one look: the state, the events, and how many bytes were read."""

    state: State
    events: tuple[Event, ...] = ()
    size: int = 0


NOTHING_NEW = Looked(State.THERE)
