"""Alertmanager's API v2 as its documentation tells of it: alerts by label set, kept in memory only."""

import json

from tests.channels.schemas.alertmanager import Alert
from tests.channels.schemas.base import faults
from tests.support.standin import Answer, Received, StandIn


class AlertmanagerStandIn(StandIn):
    """Takes alerts, the valid ones of a batch too if others are not. `alerts`: the last of each label set."""

    ACCEPT = Answer(299)
    """Stands for the answer that Alertmanager would give."""

    def __init__(self, *answers: Answer) -> None:
        self.alerts: dict[str, dict] = {}
        self.poison: str | None = None
        """An alert of this name is refused."""
        super().__init__(*(answers or (self.ACCEPT,)))

    def restart(self) -> None:
        """Forget everything."""
        self.alerts.clear()

    def firing(self, now: str) -> list[str]:
        """The names of what fires at `now`, RFC 3339."""
        return sorted(item["labels"]["alertname"] for item in self.alerts.values() if item["endsAt"] > now)

    def _take(self, request: Received) -> Answer:
        answer = super()._take(request)
        return self._judged(request) if answer is self.ACCEPT else answer

    def _judged(self, request: Received) -> Answer:
        if request.path in ("/-/ready", "/api/v2/status"):
            return Answer(200, body=b"{}")
        if request.path != "/api/v2/alerts":
            return Answer(404)
        refused = []
        for alert in json.loads(request.body):
            bad = faults(Alert, json.dumps(alert).encode()) or alert["endsAt"] < alert["startsAt"]
            if bad or alert["labels"]["alertname"] == self.poison:
                refused.append(str(bad))
            else:
                self.alerts[json.dumps(alert["labels"], sort_keys=True)] = alert
        return Answer(400, body=json.dumps("; ".join(refused)).encode()) if refused else Answer(200)
