"""Advice about settings that are allowed, but not wise."""

import re

import pytest

from agent.config.checks import Level, check
from agent.config.starter import Machine, starter

TWO = """
[channels.ops]
type = "slack"
url = { env = "URL" }
[channels.hook]
type = "webhook"
url = { env = "URL" }
"""
URL = "https://hooks.slack.com/services/T0/B0/x"


def told(place, text, level=Level.WARNING, **how):
    return [finding.text for finding in check(place.load(text, URL=URL), **how) if finding.level is level]


def test_two_channels_and_no_logs_leave_nothing_to_warn_of(place):
    assert told(place, TWO) == []
    assert told(place, TWO, Level.ERROR) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_an_inline_secret_is_told_and_its_file_should_be_private(place, mode):
    place.load(f"[channels.a]\ntype = 'slack'\nurl = '{URL}'")
    loaded = place.load(f"[channels.a]\ntype = 'slack'\nurl = '{URL}'")
    place.config.chmod(mode)
    texts = [finding.text for finding in check(loaded) if finding.level is Level.WARNING]
    assert texts[0].startswith(f"channels.a.url: the secret stands in {place.config}:3 itself")
    exposed = [text for text in texts if f"others may read it (mode {mode:04o})" in text]
    assert len(exposed) == (0 if mode == 0o600 else 1)


def test_a_secret_file_that_others_may_read(place, tmp_path):
    file = tmp_path / "url"
    file.write_text(URL)
    file.chmod(0o644)
    text = TWO.replace("env", "file").replace('"URL"', f'"{file}"')
    assert told(place, text) == [f"{file} holds a secret and others may read it (mode 0644): chmod 600"]


def test_an_address_that_others_can_reach(place):
    (text,) = told(place, TWO + "[server]\nlisten = '0.0.0.0:19400'")
    assert text.startswith("server.listen: 0.0.0.0:19400 can be reached from other machines")
    assert told(place, TWO + "[server]\nlisten = '0.0.0.0:19400'\nenabled = false") == []


def test_types_that_nobody_takes(place):
    text = "[channels.a]\ntype = 'console'\nalerts = ['job_failed', 'disk_warning']\nmin_severity = 'critical'\n"
    (only,) = told(place, text)
    assert only.startswith("channels: no channel takes job_completed, gpu_oom, host_oom, disk_warning, ")
    assert "job_failed" not in only
    assert "job_started" not in only  # off by default: nobody is meant to take it


def test_a_severity_that_the_user_raised_reaches_the_channel(place):
    text = "[channels.a]\ntype = 'console'\nmin_severity = 'critical'\n"
    (before,) = told(place, text)
    (after,) = told(place, text + "[alerts.disk_warning]\nseverity = 'critical'")
    assert ("disk_warning" in before, "disk_warning" in after) == (True, False)


@pytest.mark.parametrize(
    ("text", "level", "words"),
    [
        ("", Level.NOTE, "none is configured: alerts are printed to the console"),
        ("[channels.a]\ntype = 'console'", Level.NOTE, "a is the only one: when it fails, nobody can be told"),
        ("[channels.a]\ntype = 'console'\nenabled = false", Level.WARNING, "none is enabled"),
    ],
)
def test_too_few_channels(place, text, level, words):
    assert any(words in item for item in told(place, text, level))


def test_reports_that_nobody_receives(place):
    (nobody,) = told(place, TWO + "[reports.daily]\nenabled = true")
    assert nobody.startswith("reports.daily: nobody receives it: name channels here, or list daily_summary")
    assert told(place, TWO + "[reports.daily]\nenabled = true\nchannels = ['ops']") == []
    (unknown,) = told(place, TWO + "[reports.weekly]\nchannels = ['pager']", Level.ERROR)
    assert unknown == 'reports.weekly.channels: "pager" is no enabled channel, expected one of ops, hook'


def test_a_state_directory_beside_the_data(place, tmp_path):
    (tmp_path / "runs").mkdir()
    (text,) = told(place, TWO + f"[sources.logs]\npaths = ['{tmp_path}/runs/**/*.log', '/does/not/exist/*.log']")
    assert text.startswith(f"agent.state_dir: {place.state} is on the same filesystem as {tmp_path}/runs: ")


def test_a_state_directory_that_cannot_be(place):
    place.state.write_text("a file")
    assert told(place, TWO, Level.ERROR) == [
        f"agent.state_dir: {place.state} is no directory, so {place.state} cannot be used",
        f"agent.spool_dir: {place.state} is no directory, so {place.state}/spool cannot be used",
    ]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_is_none(place, tmp_path, content):
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    (text,) = told(place, TWO + f"[http]\nca_file = '{file}'", Level.ERROR)
    assert text.startswith(f"http.ca_file: {file} cannot be used: ")
    assert text.endswith("expected certificates in PEM form")


def test_a_missing_zone_database(place):
    def find_zone(name):
        raise ValueError(name)

    assert told(place, TWO, Level.ERROR, find_zone=find_zone) == [
        'the time zone database is missing: install the package "tzdata"'
    ]


def test_what_sources_remark_is_told_with_its_key(place):
    remarks = [("sources.logs.signatures[0]", "mine is tried only on lines that others point to")]
    assert told(place, TWO, remarks=lambda _: remarks) == [": ".join(remarks[0])]


def test_the_gravest_finding_comes_first(place):
    place.state.write_text("a file")
    levels = [finding.level for finding in check(place.load(""))]
    assert levels == sorted(levels, key=list(Level).index)
    assert levels[0] is Level.ERROR


def test_a_starter_is_valid_as_it_stands_and_with_its_proposals(place, tmp_path):
    text = starter(Machine('odd "name"', "Europe/Berlin", tmp_path / "state", ["/", "/data"]))
    agent = place.load(text).settings.agent
    assert (agent.node, agent.timezone) == ('odd "name"', "Europe/Berlin")
    (tmp_path / "slack-url").write_text(URL)
    (tmp_path / "webhook-secret").write_text("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    proposed = re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE).replace("paths = []\n", "")
    proposed = proposed.replace("/etc/gpuwarden", str(tmp_path))
    assert set(place.load(proposed).settings.channels) == {"team", "hook"}
