"""The alerts that may still lead to a message: what fires, and what has just happened."""

from collections.abc import Collection, Iterable

from agent.core.clock import DAY
from agent.core.model import Alert, Status

REPEAT_WINDOW = DAY
"""How long a one-shot event is remembered, so that it is told once."""


class Docket:
    """Live alerts by id. An alert is let go once it no longer fires and nothing of it waits to be sent."""

    def __init__(self, live: Iterable[Alert], recent: Iterable[Alert]) -> None:
        """`recent`: the one-shot alerts of the last day, so that none is told twice."""
        self.live: dict[str, Alert] = {alert.id: alert for alert in live}
        self._seen: dict[str, int] = {alert.fingerprint: alert.starts_at for alert in recent}

    def firing(self, fingerprint: str) -> Alert | None:
        """The open episode of a fingerprint."""
        return next((alert for alert in self.live.values() if _fires(alert, fingerprint)), None)

    def take(self, alert: Alert, now: int) -> bool:
        """Add an alert or its new state; False if it is a one-shot event that was seen within the last day."""
        if alert.status is Status.EVENT and alert.id not in self.live:
            if now - self._seen.get(alert.fingerprint, now - REPEAT_WINDOW - 1) <= REPEAT_WINDOW:
                return False
            self._seen[alert.fingerprint] = now
        self.live[alert.id] = alert
        return True

    def settle(self, waiting: Collection[str], now: int) -> None:
        """Let go of what is over. `waiting`: ids of alerts of which a delivery is still open."""
        needed = {alert.cause_of for alert in self.live.values() if alert.id in waiting}
        for alert in list(self.live.values()):
            if alert.status is not Status.FIRING and alert.id not in waiting and alert.id not in needed:
                del self.live[alert.id]
        self._seen = {mark: at for mark, at in self._seen.items() if now - at <= REPEAT_WINDOW}




def _fires(alert: Alert, fingerprint: str) -> bool:
    return alert.fingerprint == fingerprint and alert.status is Status.FIRING
