"""Which alerts may still lead to a message, and how long each is kept at hand for that."""

import pytest

from agent.core.clock import HOUR
from agent.core.docket import REPEAT_WINDOW, Docket
from agent.core.model import DeliveryState, Status
from tests.core.values import NOW, alert, delivery, event_alert

DEFERRED = {"state": DeliveryState.DEFERRED}


def left(alerts, *rows):
    docket = Docket(alerts, ())
    docket.settle(rows)
    return sorted(docket.live)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"state": DeliveryState.QUEUED}, True),
        ({"state": DeliveryState.SENDING}, True),
        ({**DEFERRED, "reason": "quiet_hours"}, True),
        ({**DEFERRED, "reason": "rate_limit", "merged_into": "d1"}, False),
        ({"state": DeliveryState.DELIVERED}, False),
        ({"state": DeliveryState.DEAD}, False),
    ],
)
def test_an_event_is_kept_until_what_becomes_of_it_is_decided(changes, kept):
    happened = event_alert()
    assert left([happened], delivery(happened, **changes)) == ([happened.id] if kept else [])


def test_an_episode_that_is_over_is_kept_until_a_digest_has_told_of_it():
    over = alert(status=Status.RESOLVED)
    assert left([over], delivery(over, **DEFERRED, merged_into="d1")) == [over.id]
    assert left([over], delivery(over, state=DeliveryState.DIGESTED, merged_into="d1")) == []


def test_what_fires_is_kept_whatever_was_told_of_it():
    assert left([alert()], delivery(alert(), state=DeliveryState.DELIVERED)) == [alert().id]


def test_the_end_of_a_job_is_kept_as_long_as_its_cause_is_undecided():
    end, cause = event_alert(id="end"), event_alert(id="cause", fingerprint="other", cause_of="end")
    told = delivery(end, state=DeliveryState.DELIVERED)
    assert left([end, cause], told, delivery(cause, **DEFERRED)) == ["cause", "end"]
    assert left([end, cause], told, delivery(cause, state=DeliveryState.SUPERSEDED)) == []


def test_the_episode_of_a_fingerprint_is_the_one_that_fires():
    docket = Docket([alert(id="first")], ())
    docket.take(alert(id="first", status=Status.RESOLVED), NOW)
    assert (docket.firing(alert().fingerprint), docket.episodes) == (None, [])
    docket.take(alert(id="second"), NOW)
    assert docket.firing(alert().fingerprint) == alert(id="second")
    assert docket.episodes == [alert(id="second")]


def test_a_one_shot_event_is_taken_once_a_day():
    docket = Docket((), [event_alert(id="before", starts_at=NOW - HOUR)])
    assert not docket.take(event_alert(id="again"), NOW)
    assert docket.take(event_alert(id="again"), NOW + REPEAT_WINDOW)
