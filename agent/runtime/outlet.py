"""A channel with what its notifier needs to know of it."""

from collections.abc import Callable
from dataclasses import dataclass

from agent.core.message import Message
from agent.core.ports import Channel
from agent.runtime.news import News

Compose = Callable[[News, int], Message]
"""(what is to be told, now) to message."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One configured channel."""

    name: str
    type: str
    channel: Channel
    timeout: float
    """Seconds that one send may take."""
    digests: bool = True
    """Whether many alerts may come as one message."""
    pictures: bool = False
    """Whether it shows pictures, and they can be drawn here."""
