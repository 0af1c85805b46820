"""The effective settings, as a person or a program may see them."""

import json
import tomllib

from agent.config.show import as_json, as_toml, rows

TEXT = """
[agent]
labels = { team = "vision" }
[alerts.gpu_oom]
cooldown = 5400
[channels.ops]
type = "slack"
url = { env = "OPS_URL" }
alerts = ["job_failed"]
[[jobs.job]]
name = "a \\"quoted\\" name"
log = "/x/*.log"
"""
URL = "https://hooks.slack.com/services/T0/B0/secretpart"


def test_every_key_comes_with_its_value_and_origin(place):
    shown = {row.key: (row.value, str(row.origin)) for row in rows(place.load(TEXT, OPS_URL=URL))}
    assert shown["agent.labels.team"] == ("vision", f"{place.config}:3")
    assert shown["agent.timezone"] == ("local", "default")
    assert shown["alerts.gpu_oom.cooldown"] == ("90m", f"{place.config}:5")
    assert shown["store.retention"] == ("90d", "default")
    assert shown["sources.disk.for"] == ("1m", "default")
    assert shown["channels.ops.url"] == ("***", f"{place.config}:8")
    assert shown["channels.ops.min_severity"] == ("info", "default")
    assert shown["channels.ops.alerts"] == (["job_failed"], f"{place.config}:9")
    assert shown["http.proxy"] == (None, "default")
    assert shown["jobs.job[0].name"] == ('a "quoted" name', f"{place.config}:11")


def test_the_toml_form_is_toml_and_gives_the_same_settings(place):
    listed = rows(place.load(TEXT, OPS_URL=URL))
    text = "\n".join(as_toml(listed))
    assert tomllib.loads(text)["agent"]["labels"] == {"team": "vision"}
    again = place.load(text.replace('"***"', '{ env = "OPS_URL" }'), OPS_URL=URL)
    assert {row.key: row.value for row in rows(again)} == {row.key: row.value for row in listed}


def test_the_json_form_tells_where_each_value_is_from(place):
    shown = json.loads(json.dumps(as_json(rows(place.load(TEXT, OPS_URL=URL, GPUWARDEN_AGENT__NODE="n")))))
    assert shown["agent.node"] == {
        "value": "n", "layer": "environment", "file": None, "line": None, "variable": "GPUWARDEN_AGENT__NODE",
    }  # fmt: skip
    assert (shown["channels.ops.url"]["value"], shown["channels.ops.url"]["line"]) == ("***", 8)


def test_no_form_shows_a_secret(place):
    listed = rows(place.load(TEXT, OPS_URL=URL, GPUWARDEN_HTTP__PROXY="http://u:secretpart@proxy:1"))
    assert "secretpart" not in json.dumps(as_json(listed)) + "\n".join(as_toml(listed)) + repr(listed)


def test_odd_names_are_quoted(place):
    loaded = place.load("[channels.terminal]\ntype = 'console'\nmatch = { 'a b' = '1' }")
    text = "\n".join(as_toml(rows(loaded)))
    assert tomllib.loads(text)["channels"]["terminal"]["match"] == {"a b": "1"}
