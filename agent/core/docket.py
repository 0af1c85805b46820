"""The alerts that may still lead to a message: what fires, and what has just happened."""

from collections.abc import Container, Iterable
from dataclasses import replace

from agent.core.clock import DAY, HOUR
from agent.core.model import Alert, AlertType, Delivery, Status

REPEAT_WINDOW = DAY
"""How long a one-shot event is remembered, so that it is told once."""


class Docket:
    """Live alerts by id. An alert is let go once it no longer fires and nothing of it waits to be sent."""

    def __init__(self, live: Iterable[Alert], recent: Iterable[Alert]) -> None:
        """`recent`: the one-shot alerts of the last day, so that none is told twice."""
        self.live: dict[str, Alert] = {alert.id: alert for alert in live}
        self._seen: dict[str, int] = {alert.fingerprint: alert.starts_at for alert in recent}
        self._open = {alert.fingerprint: alert.id for alert in self.live.values() if alert.status is Status.FIRING}
        self._forgot_at = 0

    def firing(self, fingerprint: str) -> Alert | None:
        """The open episode of a fingerprint."""
        return self.live.get(self._open.get(fingerprint, ""))

    @property
    def episodes(self) -> list[Alert]:
        """What fires."""
        return [self.live[alert_id] for alert_id in self._open.values()]

    def take(self, alert: Alert, now: int) -> bool:
        """Add an alert or its new state; False if it is a one-shot event that was seen within the last day."""
        if alert.status is Status.EVENT and alert.id not in self.live:
            if now - self._seen.get(alert.fingerprint, now - REPEAT_WINDOW - 1) <= REPEAT_WINDOW:
                return False
            self._forget(now)
            self._seen[alert.fingerprint] = now
        self.live[alert.id] = alert
        if alert.status is Status.FIRING:
            self._open[alert.fingerprint] = alert.id
        elif self._open.get(alert.fingerprint) == alert.id:
            del self._open[alert.fingerprint]
        return True

    def held(self, job_id: str, types: Container[AlertType], stored: Iterable[Alert]) -> list[Alert]:
        """The one-shot alerts of these types about a job that nothing has ended. `stored`: those let go already."""
        known = {alert.id: alert for alert in stored} | self.live
        return [alert for alert in known.values() if alert.job_id == job_id and alert.type in types and _open(alert)]

    def end(self, alert: Alert, at: int) -> Alert:
        """End a one-shot alert that channels may hold open; it lives until they are told."""
        ended = replace(alert, ends_at=max(at, alert.starts_at))
        self.live[alert.id] = ended
        return ended

    def settle(self, rows: Iterable[Delivery]) -> None:
        """Let go of what is decided. `rows`: the deliveries of the live alerts.

        Whatever is not sent yet may still be taken back: by quiet hours that begin while its channel is down, or by
        a resolve that takes its place. An event that a digest will tell is decided, however long that waits for its
        channel.
        """
        undecided = {row.alert_id for row in rows if row.state.open and not self._in_a_digest(row)}
        needed = {alert.cause_of for alert in self.live.values() if alert.id in undecided}
        for alert in list(self.live.values()):
            if alert.status is not Status.FIRING and alert.id not in undecided and alert.id not in needed:
                del self.live[alert.id]

    def _in_a_digest(self, row: Delivery) -> bool:
        """Whether a digest tells of an event; an episode may come to its end while that is on its way."""
        alert = self.live.get(row.alert_id)
        return row.merged_into is not None and alert is not None and alert.status is Status.EVENT

    def _forget(self, now: int) -> None:
        """Forget, now and then, the events that are older than a day."""
        if now - self._forgot_at >= HOUR:
            self._forgot_at = now
            self._seen = {mark: at for mark, at in self._seen.items() if now - at <= REPEAT_WINDOW}


def _open(alert: Alert) -> bool:
    return alert.status is Status.EVENT and alert.ends_at is None
