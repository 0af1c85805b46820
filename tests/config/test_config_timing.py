"""What can be wrong with quiet hours, limits, groups and the heartbeat, and what they become."""

from zoneinfo import ZoneInfo

import pytest

from agent.config.errors import ConfigError
from agent.core.model import AlertType, Severity
from agent.core.policy.windows import Window

WINDOW = "[[quiet_hours.window]]\n"
ENDLESS = "[quiet_hours]\nenabled = true\n[[quiet_hours.window]]\nstart = '00:00'\nend = '24:00'\n"
CLOCK = 'expected a time of day from "00:00" to "24:00"'
BERLIN = ZoneInfo("Europe/Berlin")


def problems(place, text):
    with pytest.raises(ConfigError) as caught:
        place.load(text)
    return [str(problem).removeprefix(f"{place.config}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("start = '7:00'", f'2: quiet_hours.window[0].start: found "7:00", {CLOCK}'),
        ("end = '24:30'", f'2: quiet_hours.window[0].end: found "24:30", {CLOCK}'),
        ("start = '24:00'", '1: quiet_hours.window[0]: found start "24:00", expected "00:00" on the following day'),
        ("days = []", "2: quiet_hours.window[0].days: found no day, expected at least one"),
        ("days = ['mon']", '2: quiet_hours.window[0].days[0]: found "mon", did you mean "monday"?'),
    ],
)
def test_each_fault_of_a_window_is_told_at_its_place(place, text, told):
    assert problems(place, WINDOW + text) == [told]


def test_a_start_that_is_the_end_says_how_to_write_a_whole_day(place):
    (told,) = problems(place, WINDOW + "start = '07:00'\nend = '07:00'")
    assert told.startswith('1: quiet_hours.window[0]: found start and end "07:00"')
    assert told.endswith('start = "00:00" and end = "24:00"')


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "/etc/localtime", ""])
def test_a_zone_that_does_not_exist_is_refused_with_one_that_does(place, zone):
    (told,) = problems(place, f"{WINDOW}timezone = '{zone}'")
    assert told.startswith("2: quiet_hours.window[0].timezone: found")
    assert "expected an IANA time zone such as" in told


def test_a_window_for_a_channel_that_does_not_exist(place):
    (told,) = problems(place, WINDOW + "channels = ['consol']")
    assert told == (
        '2: quiet_hours.window[0].channels[0]: found "consol", which is no channel; did you mean "console"?'
    )


def test_two_windows_of_one_name(place):
    (told,) = problems(place, WINDOW + WINDOW)
    assert told.endswith("found a second window named 'default', expected a name of its own for each")


def test_quiet_hours_that_never_end_are_refused(place):
    (told,) = problems(place, ENDLESS)
    assert "channel 'console' would be quiet for ever" in told


@pytest.mark.parametrize(
    "more",
    ["days = ['monday', 'tuesday']", "alert_types = ['job_completed']", "[channels.console]\nquiet_hours = false",
     "[channels.console]\nenabled = false"],
)  # fmt: skip
def test_a_gap_of_any_kind_is_enough(place, more):
    channel = "" if "channels" in more else "\n[channels.console]"
    assert place.load(f"{ENDLESS}{more}{channel}\ntype = 'console'")


def test_a_bypass_is_enough_too(place):
    assert place.load(ENDLESS.replace("enabled = true", "enabled = true\nbypass_severity = 'critical'"))


def test_a_heartbeat_without_a_url(place):
    (told,) = problems(place, "[heartbeat]\nurl = 'hc-ping.com'")
    assert told == "2: heartbeat.url: found another value, expected a URL that begins with https:// or http://"


def test_what_the_policy_gets(place):
    table = place.load(
        "[quiet_hours]\nenabled = true\nbypass_severity = 'critical'\nmode = 'suppress'\n"
        "[[quiet_hours.window]]\nname = 'night'\ndays = ['friday']\nstart = '23:30'\nend = '07:00'\n"
        "channels = ['console']\nalert_types = ['job_completed']\n"
        "[[quiet_hours.window]]\ntimezone = 'Asia/Tokyo'\n[channels.console]\ntype = 'console'"
    ).settings.quiet_hours
    rule = table.rule(lambda name: ZoneInfo(name) if name else BERLIN)
    first = Window(
        "night", 23 * 60 + 30, 7 * 60, BERLIN, frozenset({4}), frozenset({"console"}),
        frozenset({AlertType.JOB_COMPLETED}),
    )  # fmt: skip
    assert rule.windows == (first, Window("default", 22 * 60, 8 * 60, ZoneInfo("Asia/Tokyo")))
    assert (rule.bypass, rule.suppress) == (Severity.CRITICAL, True)


def test_quiet_hours_that_are_only_switched_on_are_every_night(place):
    rule = place.load("[quiet_hours]\nenabled = true").settings.quiet_hours.rule(lambda _: BERLIN)
    assert rule.windows == (Window("default", 22 * 60, 8 * 60, BERLIN),)


def test_windows_that_are_not_switched_on_hold_nothing(place):
    assert place.load(WINDOW).settings.quiet_hours.rule(lambda _: BERLIN).windows == ()
