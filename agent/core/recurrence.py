"""What a condition did since a channel was last told of it: how often it came and went (alerting reference, R-3.8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from agent.core.clock import DAY
from agent.core.model import Alert, Ledger, Status
from agent.core.text import duration

LOOK_BACK = DAY
"""Changes that lie further back are no part of what people are told now."""


class Episode(NamedTuple):
    """One period in which a condition fired; `ends_at` is None while it does. UTC milliseconds."""

    alert_id: str
    starts_at: int
    ends_at: int | None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How many episodes began or ended, within how many milliseconds, and how the condition stands after that."""

    changes: int
    span: int
    firing: bool

    @property
    def count(self) -> str:
        """Say how often, as in `7 changes in 52m 10s`."""
        return f"{self.changes} changes in {duration(self.span)}"

    @property
    def sentence(self) -> str:
        """Say it in one line, as in `7 changes in 52m 10s, now firing.`"""
        return f"{self.count}, now {'firing' if self.firing else 'resolved'}."


def look_back(alert: Alert) -> int:
    """From when on the episodes of an alert's condition matter to its message, UTC milliseconds."""
    return _latest(alert) - LOOK_BACK


def recurrence(alert: Alert, told: Ledger, episodes: Sequence[Episode]) -> Recurrence | None:
    """Count the changes between what a channel was `told` last and how `alert` stands; None if it knows of all others.

    `episodes` are those of the alert's condition that went on at or after `look_back`. What counts is what the channel
    knows, not when it was told: a message may wait for long between its writing and its acceptance.
    """
    if alert.status is Status.EVENT or told.alert_id is None:
        return None
    known = next((_known(episode, told) for episode in episodes if episode.alert_id == told.alert_id), None)
    since = look_back(alert) if known is None else known
    changes = [
        (at, episode.alert_id)
        for episode in episodes
        for at in (episode.starts_at, episode.ends_at)
        if at is not None and since < at <= _latest(alert)
    ]
    if all(of == alert.id for _, of in changes):
        return None
    times = [at for at, _ in changes]
    return Recurrence(len(times), max(times) - min(times), alert.status is Status.FIRING)


def with_recurrence(alert: Alert, found: Recurrence | None) -> Alert:
    """Make it a part of what the alert says, so that programs are told it as people are."""
    return alert if found is None else replace(alert, message=f"{alert.message} {found.sentence}".lstrip())


def _known(episode: Episode, told: Ledger) -> int | None:
    """When what the channel knows of the condition came to be."""
    return episode.starts_at if told.open_announced else episode.ends_at


def _latest(alert: Alert) -> int:
    return alert.starts_at if alert.ends_at is None else alert.ends_at
