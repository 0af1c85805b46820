"""`gpuwarden simulate`: the present configuration, played by hand, down to what is printed."""

import json

import pytest

CONFIG = """
[agent]
node = "n1"
timezone = "Europe/Berlin"

[alerts.gpu_error]
cooldown = "15m"

[channels.team]
type = "webhook"
url = "https://hooks.example.com/secret-path"

[channels.mail]
type = "console"
min_severity = "critical"
"""
NIGHT = """
start = 2026-03-27T21:00:00

[[event]]
at = "21:50"
type = "gpu_error"
title = "GPU 3 is lost"
labels = { gpu = "3" }

[[event]]
at = "22:00"
type = "gpu_error"
status = "resolved"
labels = { gpu = "3" }

[[event]]
at = "22:01"
type = "gpu_error"
title = "GPU 3 is lost"
labels = { gpu = "3" }

[[event]]
at = "22:02"
kill = true

[[event]]
at = "23:30"
type = "job_completed"
job = { id = "j1" }
"""


@pytest.fixture
def play(call, file, here):
    def _play(timeline, *options, config=CONFIG):
        path = here / "night.toml"
        path.write_text(timeline)
        return call("simulate", path, "--config", file(config), *options)

    return _play


def objects(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_what_each_channel_receives_and_when(play):
    told = objects(play(NIGHT, "--json"))
    of_mail = [(item["at"][11:16], item["outcome"], item["title"]) for item in told if item["channel"] == "mail"]
    assert of_mail == [
        ("20:50", "sent", "🔥 GPU 3 is lost"),
        ("21:00", "sent", "✅ Resolved: GPU 3 is lost"),
        ("21:01", "held", "GPU 3 is lost"),
        ("21:05", "sent", "🔥 GPU 3 is lost"),
        ("22:30", "dropped", "Training complete"),
    ]
    held = next(item for item in told if item["outcome"] == "held")
    assert (held["reason"], held["until"]) == ("cooldown", "2026-03-27T21:05:00.000Z")
    assert "a short while ago" in held["explanation"]


def test_the_times_of_people_are_printed(play):
    result = play(NIGHT)
    assert "2026-03-27 21:50:00  team  sent: 🔥 GPU 3 is lost (critical)" in result.stdout
    assert "2026-03-27 22:01:00  team  held until 2026-03-27 22:05:00: GPU 3 is lost: " in result.stdout
    assert result.stderr == ""


def test_the_requests_are_those_of_the_real_channels(play):
    result = play(NIGHT, "--full", "--json")
    first = next(item for item in objects(result) if item["channel"] == "team")
    assert '"type": "gpu_error"' in first["request"].replace('":"', '": "')
    assert "secret-path" not in result.stdout


def test_an_outage_delays_and_loses_nothing(play):
    outage = '[[event]]\nat = "+5m"\noutage = "team"\nfor = "4h"\n'
    told = [item for item in objects(play(NIGHT + outage, "--json")) if item["channel"] == "team"]
    sent = [item for item in told if item["outcome"] == "sent"]
    assert min(item["at"] for item in sent) >= "2026-03-28T00:05"
    assert {item["type"] for item in sent} == {"gpu_error", "job_completed"}
    assert not [item for item in told if item["outcome"] in {"dead", "waiting"}]


def test_a_silence_keeps_what_matches_from_being_told_until_it_ends(play):
    silence = '[[event]]\nat = "21:49"\nsilence = { gpu = "3" }\nfor = "4h"\n'
    told = [item for item in objects(play(NIGHT + silence, "--json")) if item["channel"] == "team"]
    dropped = [item for item in told if item["outcome"] == "dropped"]
    assert {(item["type"], item["reason"]) for item in dropped} == {("gpu_error", "silenced_by:entry-1")}
    assert [(item["type"], item["at"][:16]) for item in told if item["outcome"] == "sent"] == [
        ("job_completed", "2026-03-27T22:30"), ("gpu_error", "2026-03-28T00:49"),
    ]  # fmt: skip


def test_one_alert_is_acknowledged_by_its_title(play):
    acknowledged = '[[event]]\nat = "22:01"\nsilence = "GPU 3 is lost"\nfor = "1d"\n'
    told = [item for item in objects(play(NIGHT + acknowledged, "--json")) if item["channel"] == "team"]
    assert [item["notification"] for item in told if item["type"] == "gpu_error"][:2] == ["fired", "resolved"]
    assert [item["reason"] for item in told if item["outcome"] == "dropped"] == ["silenced_by:entry-4"]


def test_a_clock_is_set_under_the_node_and_the_timeline_goes_on(play):
    steps = '[[event]]\nat = "21:55"\nset_clock = "+2d"\n[[event]]\nat = "22:03"\nset_clock = "-2d"\n'
    told = [item for item in objects(play(NIGHT + steps, "--json")) if item["outcome"] == "sent"]
    sent = [(item["at"][:16], item["type"], item["notification"]) for item in told if item["channel"] == "team"]
    assert ("2026-03-27T20:50", "gpu_error", "fired") in sent
    assert ("2026-03-29T21:00", "gpu_error", "resolved") in sent
    assert ("2026-03-27T22:30", "job_completed", "fired") in sent
    assert [kind for _, kind, _ in sent].count("agent_degraded") == 2


def test_the_end_shows_what_still_waits(play):
    ended = 'end = "22:03"\n' + NIGHT
    (waiting,) = [i for i in objects(play(ended, "--json")) if i["outcome"] == "waiting" and i["channel"] == "mail"]
    assert (waiting["at"], waiting["until"]) == ("2026-03-27T21:03:00.000Z", "2026-03-27T21:05:00.000Z")


def test_nothing_is_said_of_nothing(play):
    assert play('start = "2026-01-01 00:00"').stdout == "nothing would be told\n"


@pytest.mark.parametrize(
    ("timeline", "words"),
    [
        ("[[event]]", "night.toml: event 1: without `at`"),
        ('[[event]]\nat = "10:00"\noutage = "pager"\nfor = "1h"', "names the channel 'pager'; enabled: team, mail"),
        ('[[event]]\nat = "10:00"\nsilence = "x"\nfor = "1h"', "'x', which does not fire then; what fires: nothing"),
    ],
)
def test_a_timeline_that_cannot_be_played_is_refused(play, timeline, words):
    result = play(timeline)
    assert result.exit_code == 1
    assert words in result.stderr


def test_a_timeline_of_another_editor_is_read_and_one_that_is_no_text_is_refused(call, file, here, play):
    assert play("\ufeff" + NIGHT.replace("\n", "\r\n"), "--json").stdout == play(NIGHT, "--json").stdout
    (here / "night.bin").write_bytes(b"\xff\x83")
    result = call("simulate", here / "night.bin", "--config", file(""))
    assert (result.exit_code, "night.bin: not UTF-8 text" in result.stderr) == (1, True)


def test_the_history_can_be_played_again(ask, store, play, now):
    from agent.core.model import Status
    from tests.support.stored import disk_alert, told

    begun = disk_alert(now - 600_000, status=Status.RESOLVED, ends_at=now - 300_000)
    told(store, begun, now - 600_000)
    lines = ask("history", "--json").stdout
    took = [item for item in objects(play(lines, "--json")) if item["channel"] == "team"]
    assert [(item["notification"], item["title"]) for item in took] == [
        ("fired", "💾 Disk 93 % full: /data"),
        ("resolved", "✅ Resolved: Disk 93 % full: /data"),
    ]
