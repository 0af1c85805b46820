"""Layers: defaults, the agent's own file, the user's file, the environment, the command line; later ones win."""

from pathlib import Path

import pytest

from agent.config.errors import ConfigError
from agent.config.load import load
from agent.config.locate import config_file, default_config_file, default_state_dir
from agent.core.model import AlertType, Severity


def managed(place, text):
    place.state.mkdir(exist_ok=True)
    (place.state / "managed.toml").write_text(text)


def test_without_any_file_the_agent_is_useful(place):
    loaded = load(config=None, state_dir=place.state, environ={"HOME": "/nowhere"}, schema=place.schema)
    assert loaded.config_path is None
    assert [(name, config.type) for name, config in loaded.settings.channels.items()] == [("console", "console")]
    assert loaded.settings.server.listen == "127.0.0.1:19400"
    assert loaded.settings.store.retention == 90 * 86_400
    assert loaded.spool_dir == place.state / "spool"


def test_each_layer_wins_over_the_one_below(place):
    managed(place, "[agent]\nnode = 'managed'\nlog_level = 'debug'\nlog_format = 'json'\n")
    loaded = place.load("[agent]\nnode = 'file'\nlog_level = 'error'", GPUWARDEN_AGENT__NODE="environment")
    agent = loaded.settings.agent
    assert (agent.node, agent.log_level, agent.log_format) == ("environment", "error", "json")


def test_origins_name_layer_file_line_and_variable(place):
    managed(place, "[agent]\nlog_format = 'json'\n")
    loaded = place.load("[agent]\nlog_level = 'error'", GPUWARDEN_AGENT__NODE="x")
    keys = ("node", "log_level", "log_format", "timezone", "state_dir")
    assert {key: str(loaded.origin(("agent", key))) for key in keys} == {
        "node": "environment GPUWARDEN_AGENT__NODE",
        "log_level": f"{place.config}:2",
        "log_format": f"{place.state}/managed.toml:2",
        "timezone": "default",
        "state_dir": "command line --state-dir",
    }


def test_a_channel_may_be_spread_over_layers(place):
    managed(place, "[channels.ops]\ntype = 'slack'\nenabled = false\n")
    text = "[channels.ops]\nurl = 'https://hooks.slack.com/services/x'"
    loaded = place.load(text, GPUWARDEN_CHANNELS__OPS__ENABLED="true")
    ops = loaded.settings.channels["ops"]
    assert (ops.type, ops.enabled, ops.url.reveal()) == ("slack", True, "https://hooks.slack.com/services/x")


def test_the_console_gives_way_to_any_configured_channel(place):
    loaded = place.load("[channels.ops]\ntype = 'webhook'\nurl = 'https://example.com/'")
    assert list(loaded.settings.channels) == ["ops"]


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("GPUWARDEN_AGENT__NODE", "7", "agent.node", "7"),
        ("GPUWARDEN_AGENT__NODE", "[x]", "agent.node", "[x]"),
        ("GPUWARDEN_AGENT__LABELS__TEAM", "nlp", "agent.labels", {"team": "nlp"}),
        ("GPUWARDEN_AGENT__LABELS", '{ team = "nlp" }', "agent.labels", {"team": "nlp"}),
        ("GPUWARDEN_SERVER__ENABLED", "false", "server.enabled", False),
        ("GPUWARDEN_SOURCES__DISK__INTERVAL", "45", "sources.disk.interval", 45.0),
        ("GPUWARDEN_SOURCES__DISK__FOR", "2m", "sources.disk.for_", 120.0),
        ("GPUWARDEN_SOURCES__LOGS__PATHS", '["/a/*.log", "/b/*.log"]', "sources.logs.paths", ("/a/*.log", "/b/*.log")),
        ("GPUWARDEN_STORE__MAX_ROWS", "5000", "store.max_rows", 5000),
    ],
)
def test_the_environment_reaches_nested_keys(place, variable, text, path, value):
    found = place.load("", **{variable: text}).settings
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_variables_match_names_that_are_spelled_with_capitals(place):
    loaded = place.load(
        "[channels.Ops-Team]\ntype = 'console'", **{"GPUWARDEN_CHANNELS__OPS-TEAM__MIN_SEVERITY": "critical"}
    )
    assert loaded.settings.channels["Ops-Team"].min_severity is Severity.CRITICAL


def test_a_key_given_whole_and_in_parts_is_refused(place):
    with pytest.raises(ConfigError, match="both as a whole and in parts"):
        place.load("", GPUWARDEN_AGENT__LABELS="{}", GPUWARDEN_AGENT__LABELS__TEAM="x")


def test_a_variable_with_one_underscore_too_few_is_told(place):
    loaded = place.load("", GPUWARDEN_SERVER_LISTEN="127.0.0.1:1", GPUWARDEN_JOB="x")
    (warning,) = loaded.warnings
    assert "GPUWARDEN_SERVER_LISTEN sets nothing" in warning


def test_the_users_rules_are_handed_to_the_policy_in_milliseconds(place):
    rules = place.load("[alerts.gpu_oom]\nseverity = 'warning'\ncooldown = '1h'\nrepeat = '2h'").settings.rules()
    rule = rules.of(AlertType.GPU_OOM)
    assert (rule.severity, rule.cooldown, rule.repeat) == (Severity.WARNING, 3_600_000, 7_200_000)
    assert rules.of(AlertType.HOST_OOM).cooldown == 900_000


def test_settings_are_frozen(place):
    settings = place.load().settings
    with pytest.raises(ValueError, match="frozen"):
        settings.agent.node = "other"


def test_the_configuration_is_looked_for_in_order(tmp_path):
    own = tmp_path / "gpuwarden" / "config.toml"
    own.parent.mkdir()
    own.touch()
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert config_file(None, {"XDG_CONFIG_HOME": str(tmp_path / "empty")}) is None
    assert config_file(None, environ) == own
    named = tmp_path / "named.toml"
    named.touch()
    assert config_file(None, {**environ, "GPUWARDEN_CONFIG": str(named)}) == named
    assert config_file(own, {"GPUWARDEN_CONFIG": str(named)}) == own


@pytest.mark.parametrize(
    ("environ", "root", "expected"),
    [
        ({"STATE_DIRECTORY": "/a:/b"}, False, ("/a", "STATE_DIRECTORY")),
        ({"HOME": "/home/x"}, True, ("/var/lib/gpuwarden", None)),
        ({"HOME": "/home/x", "XDG_STATE_HOME": "/s"}, False, ("/s/gpuwarden", None)),
        ({"HOME": "/home/x", "XDG_STATE_HOME": "relative"}, False, ("/home/x/.local/state/gpuwarden", None)),
    ],
)
def test_the_state_directory_by_convention(environ, root, expected):
    path, variable = default_state_dir(environ, root=root)
    assert (str(path), variable) == expected


def test_the_state_directory_by_option_then_environment_then_file(place, tmp_path):
    place.config.write_text("[agent]\nstate_dir = '/by/file'")

    def found(option, **environ):
        return str(load(config=place.config, state_dir=option, environ=environ, schema=place.schema).state_dir)

    assert found(tmp_path / "option", GPUWARDEN_AGENT__STATE_DIR="/by/environment") == str(tmp_path / "option")
    assert found(None, GPUWARDEN_AGENT__STATE_DIR="/by/environment", STATE_DIRECTORY="/by/systemd") == "/by/environment"
    assert found(None, STATE_DIRECTORY="/by/systemd") == "/by/file"


def test_the_managed_layer_lies_in_the_state_directory_that_the_file_names(place):
    managed(place, "[agent]\nnode = 'managed'")
    place.config.write_text(f"[agent]\nstate_dir = '{place.state}'")
    loaded = load(config=place.config, state_dir=None, environ={}, schema=place.schema)
    assert loaded.settings.agent.node == "managed"


def test_a_fault_in_the_managed_layer_names_that_file(place):
    managed(place, "[agent]\nnod = 'x'")
    with pytest.raises(ConfigError, match=r"managed\.toml:2: agent\.nod: unknown key"):
        place.load()


def test_a_user_whom_nobody_knows_has_the_root_for_a_home(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("~nosuchuser").expanduser())
    assert default_state_dir({}, root=False)[0] == Path("/.local/state/gpuwarden")
    assert default_config_file({}, root=False) == Path("/.config/gpuwarden/config.toml")
