"""Why nothing arrived between two times, in words."""

from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.model import Attempt, ChannelState, Decision, DeliveryState, NotificationKind, Silence
from agent.core.period_story import MOST_LINES, NOTHING, PeriodFacts, down, quiet, tell
from agent.core.policy.windows import Window
from tests.core.values import NOW, alert, delivery

UNTIL = NOW + 2 * HOUR
LIVING = ((NOW - DAY, NOW + DAY),)
CHANNELS = {"ops": "slack", "mail": "email"}


def told(windows=(), zone=UTC, **known):
    values = {"since": NOW, "until": UNTIL, "alerts": {"alert-1": alert()}, "lives": LIVING, "channels": CHANNELS}
    return tell(PeriodFacts(**(values | known)), windows, zone)


def decision(verdict, reason, at=NOW + MINUTE, channel="ops", until=None):
    return Decision("alert-1", at, channel, NotificationKind.FIRED, "stage", verdict, reason, until)


def test_an_ordinary_hour_in_which_nothing_happened():
    assert told() == [
        "From 2026-09-21 14:13:20 to 2026-09-21 16:13:20; times are UTC.",
        "Nothing happened that anybody could have been told of.",
        "",
        "ops (slack)",
        f"  {NOTHING}",
        "",
        "mail (email)",
        f"  {NOTHING}",
    ]


def test_what_was_decided_and_tried_channel_by_channel():
    row = delivery(state=DeliveryState.DELIVERED, attempts=1)
    tries = [(Attempt(row.id, 1, NOW + 2 * MINUTE, NOW + 2 * MINUTE, "delivered", 200, None), row)]
    made = [decision("send", "first notification"), decision("suppress", "below_min_severity", channel="mail")]
    lines = told(decisions=made, attempts=tries)
    ops, mail = lines.index("ops (slack)"), lines.index("mail (email)")
    assert lines[ops + 1 : mail - 1] == [
        "  2026-09-21 14:14:20  Disk 92 % full: /data: the alert is sent: first notification.",
        "  2026-09-21 14:15:20  Disk 92 % full: /data: attempt 1 was accepted (status 200).",
    ]
    assert lines[mail + 1].endswith("the alert is not sent: the severity is below the channel's `min_severity`.")


def test_what_was_held_all_the_while():
    row = replace(delivery(state=DeliveryState.DEFERRED), reason="quiet_hours", created_at=NOW - HOUR)
    lines = told(waiting=[row])
    assert "  Waited all the while, since 2026-09-21 13:13:20: Disk 92 % full: /data (quiet hours)." in lines
    assert not any("Nothing happened" in line for line in lines)


def test_when_no_agent_ran():
    lives = [(NOW - DAY, NOW + 10 * MINUTE), (NOW + 20 * MINUTE, NOW + DAY)]
    assert down(PeriodFacts(NOW, UNTIL, {}, lives=lives)) == [(NOW + 10 * MINUTE, NOW + 20 * MINUTE)]
    (line,) = [line for line in told(lives=lives) if "No agent ran" in line]
    assert line.startswith("No agent ran from 2026-09-21 14:23:20 to 2026-09-21 14:33:20: nothing was looked at")


@pytest.mark.parametrize(
    ("lives", "words"),
    [
        ([(NOW - DAY, NOW - HOUR)], "No agent ran from 2026-09-21 14:13:20 to 2026-09-21 16:13:20"),
        ([(NOW + HOUR, NOW + DAY)], "The first agent that is remembered began at 2026-09-21 15:13:20."),
        ([], "No sign of an agent is stored from that time or before it"),
    ],
)
def test_an_agent_that_was_not_there_at_all(lives, words):
    assert any(line.startswith(words) for line in told(lives=lives))


def test_a_quick_restart_is_no_gap():
    assert down(PeriodFacts(NOW, UNTIL, {}, lives=[(0, NOW + HOUR), (NOW + HOUR + 20 * SECOND, UNTIL)])) == []


def test_quiet_hours_that_touch_the_period():
    night = Window("night", 22 * 60, 7 * 60, ZoneInfo("Europe/Berlin"), channels=frozenset({"ops"}))
    evening = NOW + 7 * HOUR  # 23:13 in Berlin
    assert quiet([night], NOW, UNTIL) == []
    ((window, (begin, end)),) = quiet([night], evening, evening + HOUR)
    assert (window, (end - begin) / HOUR) == (night, 9)
    lines = told([night], night.zone, since=evening, until=evening + HOUR)
    assert 'Quiet hours "night" from 2026-09-21 22:00:00 to 2026-09-22 07:00:00, on ops.' in lines


def test_silences_what_fires_and_channels_in_trouble():
    silence = Silence("sil-1", NOW - HOUR, UNTIL, "ada", "moving", match={"type": "disk_warning"})
    state = ChannelState("ops", failing_since=NOW + MINUTE, detail="HTTP 503")
    lines = told(silences=[silence], lasting=[alert(starts_at=NOW - HOUR)], states={"ops": state})
    (covered,) = [line for line in lines if line.startswith("Silence sil-1 by ada: moving covered type=disk_warning")]
    assert covered.endswith("from 2026-09-21 13:13:20 to 2026-09-21 16:13:20.")
    assert "Disk 92 % full: /data had fired since 2026-09-21 13:13:20: see gpuwarden explain alert-1" in lines
    assert "  It could not deliver from 2026-09-21 14:14:20 on, and still cannot: HTTP 503." in lines


def test_a_storm_is_cut_and_counted():
    many = [decision("defer", "rate_limit", NOW + n * SECOND) for n in range(MOST_LINES + 7)]
    assert "  and 7 more" in told(decisions=many)
