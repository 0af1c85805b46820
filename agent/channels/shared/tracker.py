"""A channel that keeps one issue, or page, for each alert: opened once, added to, ended with the alert.

Before anything is opened it is looked for, so that an answer that was lost, or a crash, leaves no second one.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.channels.shared.base import CommonConfig, Tools
from agent.channels.shared.http import Ask
from agent.core.message import Message
from agent.core.model import NotificationKind, Status
from agent.core.ports import Receipt, SendError

Settings = TypeVar("Settings", bound=CommonConfig)


@dataclass(frozen=True, slots=True)
class Found:
    """One that is there. `same_alert`: it is about this very alert, not an earlier one of the same kind."""

    ref: str
    same_alert: bool = True


class Tracker(ABC, Generic[Settings]):
    """The order of things; what a tracker's API wants is said in the four verbs. Each raises SendError."""

    def __init__(self, name: str, config: Settings, tools: Tools) -> None:
        self.name = name
        self._config = config
        self._tools = tools

    @abstractmethod
    def find(self, ask: Ask, message: Message) -> Found | None:
        """Look for one that is not ended and is about the same thing."""

    @abstractmethod
    def open(self, ask: Ask, message: Message, key: str) -> Receipt:
        """Make one; the receipt has its reference."""

    @abstractmethod
    def add(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:
        """Add news to one; the status of the answer, or None if it is gone."""

    @abstractmethod
    def end(self, ask: Ask, ref: str, message: Message, key: str) -> int | None:
        """Say in it that it is over, and end it; the status of the answer, or None if it is gone."""

    def forget(self) -> None:
        """Look up anew what was looked up: a message could not be delivered. By default nothing is kept."""

    def send(self, message: Message, key: str) -> Receipt:
        """Bring the tracker to the alert's present state. Raises SendError."""
        try:
            return self._brought(message, key)
        except SendError:
            self.forget()
            raise

    def _brought(self, message: Message, key: str) -> Receipt:
        ask = self._tools.http.calls(self._config.timeout)
        known = message.references.ref
        found = Found(known) if known is not None else self.find(ask, message)
        if message.status is Status.RESOLVED:
            return Receipt() if found is None else Receipt(found.ref, self.end(ask, found.ref, message, key))
        untold = message.kind is NotificationKind.FIRED and known is None
        if found is not None and untold and found.same_alert:
            return Receipt(found.ref)  # an earlier attempt came further than its answer
        if found is not None:
            status = self.add(ask, found.ref, message, key)
            if status is not None:
                return Receipt(found.ref, status)
        return self.open(ask, message, key)

    def close(self) -> None:
        """Nothing to let go of: the client is shared."""


def summary(message: Message) -> str:
    """The title with what it is about, in one line: a list of issues shows nothing else."""
    job = message.alert.job or {}
    about = job.get("name") or message.alert.labels.get("mountpoint") or message.alert.labels.get("node")
    told_already = not about or about in message.title
    return " ".join((message.title if told_already else f"{message.title} ({about})").split())
