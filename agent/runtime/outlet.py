"""A channel with what its notifier needs to know of it."""

from collections.abc import Callable
from dataclasses import dataclass

from agent.core.message import Message
from agent.core.model import Alert, Delivery
from agent.core.ports import Channel
from agent.core.references import References

Compose = Callable[[Alert, Delivery, References | None, int], Message]
"""(alert as it stands, delivery, what the provider called earlier things, now) to message."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One configured channel."""

    name: str
    type: str
    channel: Channel
    timeout: float
    """Seconds that one send may take."""
