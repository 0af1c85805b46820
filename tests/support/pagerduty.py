"""PagerDuty's Events API v2 as its documentation tells of it: incidents by key, opened once and resolved."""

import json

from tests.channels.schemas.base import faults
from tests.channels.schemas.pagerduty import BODY_LIMIT, Event
from tests.support.standin import Answer, Received, StandIn

ROUTING_KEY = "r0ut1ngk3ys3cret0123456789abcdef"


class PagerDutyStandIn(StandIn):
    """Takes events of one service. `incidents`: every one that was ever opened, as [key, state, summary]."""

    ACCEPT = Answer(299)
    """Stands for the answer that PagerDuty would give."""

    def __init__(self, *answers: Answer) -> None:
        self.incidents: list[list[str]] = []
        super().__init__(*(answers or (self.ACCEPT,)))

    def table(self, **changes) -> dict:
        return {"type": "pagerduty", "routing_key": ROUTING_KEY, "base_url": self.url, **changes}

    def _take(self, request: Received) -> Answer:
        answer = super()._take(request)
        return self._judged(request) if answer is self.ACCEPT else answer

    def _judged(self, request: Received) -> Answer:
        if request.path != "/v2/enqueue":
            return Answer(404)
        event = json.loads(request.body)
        if event.get("routing_key") != ROUTING_KEY:
            return _refusal("'routing_key' is invalid")
        if bad := faults(Event, request.body, most=BODY_LIMIT):
            return _refusal(bad[0])
        self._apply(event)
        said = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return Answer(202, body=json.dumps(said).encode())

    def _apply(self, event: dict) -> None:
        open_one = next((item for item in self.incidents if item[:2] == [event["dedup_key"], "open"]), None)
        if event["event_action"] == "resolve":
            if open_one is not None:  # otherwise the event is dropped
                open_one[1] = "resolved"
        elif open_one is None:
            self.incidents.append([event["dedup_key"], "open", event["payload"]["summary"]])


def _refusal(why: str) -> Answer:
    said = {"status": "invalid event", "message": "Event object is invalid", "errors": [why]}
    return Answer(400, body=json.dumps(said).encode())
