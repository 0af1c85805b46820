"""What a condition did since a channel was told of it: counted in episodes, told in one line."""

import pytest

from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.message import compose, fallback
from agent.core.model import NotificationKind, Severity, Status
from agent.core.payload import payload
from agent.core.recurrence import Episode, Recurrence, look_back, recurrence
from agent.core.redact import Redactor
from tests.core.values import NOW, alert, event_alert, ledger, told

FIRST = Episode("alert-1", NOW, NOW + 2 * MINUTE)
"""The episode of which `told()` is told."""
BRIEF = [Episode(f"brief-{n}", NOW + n * 10 * MINUTE, NOW + (n * 10 + 3) * MINUTE) for n in (1, 2, 3)]


def fires(at):
    return alert(id="again", starts_at=at), Episode("again", at, None)


def is_over(starts_at, ends_at):
    over = alert(id="again", status=Status.RESOLVED, starts_at=starts_at, ends_at=ends_at)
    return over, Episode("again", starts_at, ends_at)


def test_what_came_and_went_after_the_end_that_was_told():
    again, episode = fires(NOW + 62 * MINUTE)
    found = recurrence(again, told(open_announced=False), [FIRST, *BRIEF, episode])
    assert found == Recurrence(7, 52 * MINUTE, firing=True)
    assert found.sentence == "7 changes in 52m 00s, now firing."


def test_an_end_that_was_not_told_counts():
    again, episode = fires(NOW + 10 * MINUTE)
    assert recurrence(again, told(), [FIRST, episode]) == Recurrence(2, 8 * MINUTE, firing=True)


def test_how_it_stands_when_it_is_told_counts():
    over, episode = is_over(NOW + 40 * MINUTE, NOW + 45 * MINUTE)
    found = recurrence(over, told(open_announced=False), [FIRST, *BRIEF, episode])
    assert found.sentence == "8 changes in 35m 00s, now resolved."


@pytest.mark.parametrize(
    ("about", "known", "episodes"),
    [
        (fires(NOW + HOUR), told(open_announced=False), [FIRST]),  # the next episode
        (is_over(NOW + HOUR, NOW + 2 * HOUR), told(open_announced=False), [FIRST]),  # one that waited until it was over
        (is_over(NOW + HOUR, NOW + 2 * HOUR), told(alert_id="again"), BRIEF),  # the end of what was told
        (fires(NOW + HOUR), ledger(), [FIRST, *BRIEF]),  # nothing was told before
        (is_over(NOW - 2 * HOUR, NOW - HOUR), told(), [FIRST]),  # the end of an earlier one, told late
    ],
)
def test_no_word_of_what_the_message_says_by_itself(about, known, episodes):
    again, episode = about
    assert recurrence(again, known, [*episodes, episode]) is None


def test_what_lies_far_back_is_left_out_and_so_is_what_nobody_remembers():
    again, episode = fires(NOW + DAY + 15 * MINUTE)
    assert look_back(again) == NOW + 15 * MINUTE
    found = recurrence(again, told(alert_id="forgotten"), [*BRIEF, episode])
    assert found.changes == 5
    assert recurrence(again, told(open_announced=False), [FIRST, *BRIEF, episode]).changes == 7


def test_what_happens_once_never_recurs():
    assert recurrence(event_alert(), told(alert_id="other", open_announced=False), BRIEF) is None


GIVEN = {"now": NOW, "reason": "first notification", "node": "n1"}
LINE = "7 changes in 52m 00s, now firing."
SEVEN = Recurrence(7, 52 * MINUTE, firing=True)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("severity", "kind", "after"),
    [
        (Severity.WARNING, NotificationKind.FIRED, ""),
        (Severity.CRITICAL, NotificationKind.ESCALATED, " The severity rose to critical."),
    ],
)
def test_people_and_programs_are_told_in_one_line(plain, severity, kind, after):
    about = alert(severity=severity, message="Few bytes are free.")
    message = compose(about, kind, redactor=Redactor(), recurrence=SEVEN, plain=plain, **GIVEN)
    assert message.body == f"Few bytes are free. {LINE}{after}"
    body = payload(message.alert, kind=kind, reason=message.reason, sent_at=NOW)
    assert body["data"]["message"] == f"Few bytes are free. {LINE}"


def test_the_built_in_text_tells_it_too():
    message = fallback(alert(), NotificationKind.FIRED, recurrence=SEVEN, **GIVEN)
    assert message.body.startswith(f"{LINE} The details could not be put into words")
    assert message.alert.message == LINE
