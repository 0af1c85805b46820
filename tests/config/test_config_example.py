"""The example shows every key with its default and a reason, and can be used as it stands."""

import re
from pathlib import Path

import pytest

from agent import app
from agent.config.load import load
from agent.config.reference import keys, schema_json
from agent.config.show import rows

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
SECRETS = {
    "webhook-secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "slack-token": "xoxb-1",
    "telegram-token": "123456789:x",
    "pagerduty-key": "0123456789abcdef0123456789abcdef",
}
"""What files of the example hold whose secrets have a form; other URLs and secrets are any."""
SETTING = re.compile(r"^#(?=[A-Za-z\[])", re.MULTILINE)


def loaded(text, tmp_path, **environ):
    config = tmp_path / "config.toml"
    config.write_text(text)
    return load(config=config, state_dir=None, environ={"HOME": "/", **environ}, schema=app.schema())


@pytest.fixture
def everything(tmp_path):
    """The example with every commented setting in force, the optional channels too."""
    pytest.importorskip("apprise", reason="the extra is not installed")
    for name in re.findall(r'file = "/etc/gpuwarden/([^"]+)"', EXAMPLE.read_text()):
        usual = "https://example.com/a-secret" if name.endswith("-url") else "a-secret"
        (tmp_path / name).write_text(SECRETS.get(name, usual))
    text = SETTING.sub("", EXAMPLE.read_text()).replace("/etc/gpuwarden/", f"{tmp_path}/")
    return loaded(text, tmp_path, HOOK_AUTHORIZATION="Bearer x")


def general(path, types):
    """A key path as `keys` writes it: free names as `*`, channels by type."""
    if path[:3] == ("sources", "gpu", "rules"):
        return (*path[:3], "*", *path[4:])
    table = {"channels": lambda: ("channels", types[path[1]], path[2]), "alerts": lambda: ("alerts", "*", *path[2:])}
    named = table.get(path[0], lambda: tuple("*" if isinstance(part, int) else part for part in path))()
    return next((named[:length] for length in range(len(named), 0, -1) if named[:length] in KEYS), named)


KEYS = keys(app.schema())
OWN = {"sources.logs.signatures", "sources.logs.progress", "sources.gpu.xid", "sources.gpu.rules"}
"""Lists and tables that are empty by default, and shown by an example."""


def test_as_it_stands_it_changes_nothing(tmp_path):
    example, empty = loaded(EXAMPLE.read_text(), tmp_path), loaded("", tmp_path)
    shown = {row.key: row.value for row in rows(example)}
    usual = {row.key: row.value for row in rows(empty)}
    assert {key: value for key, value in shown.items() if key not in {"agent.state_dir", "agent.spool_dir"}} == {
        key: value for key, value in usual.items() if key not in {"agent.state_dir", "agent.spool_dir"}
    }


def test_every_key_is_shown(everything):
    types = {name: config.type for name, config in everything.settings.channels.items()}
    shown = {general(row.path, types) for row in rows(everything) if everything.origin(row.path).layer == "file"}
    assert sorted(set(KEYS) - shown) == []


def test_defaults_are_told_right(everything, tmp_path):
    empty = {row.key: row.value for row in rows(loaded("", tmp_path))}
    shown = {row.key: row.value for row in rows(everything)}
    free = {"agent.node", "agent.labels", "agent.state_dir", "agent.spool_dir", "jobs.job", "quiet_hours.window", *OWN}
    told = {key: value for key, value in empty.items() if value is not None and not key.startswith("channels.")}
    assert {key for key, value in told.items() if shown.get(key) != value} - free == set()


def test_defaults_of_repeated_tables_are_told_right(everything):
    settings = everything.settings
    for table in (*settings.channels.values(), *settings.alerts.values()):
        for name, field in type(table).model_fields.items():
            default = field.get_default(call_default_factory=True)
            if default is not None and default != {} and not field.is_required():
                assert getattr(table, name) == default, name


def test_every_key_has_a_reason():
    lines = EXAMPLE.read_text().splitlines()
    settings = [line for line in lines if re.match(r"#?[a-z_0-9]+ = ", line)]
    assert len(settings) >= len(KEYS)
    unexplained = [line for line in settings if "  # " not in line and "type = " not in line]
    assert unexplained == []


def test_the_schema_knows_every_channel_type_and_every_table():
    described = schema_json(app.schema())
    assert set(described["properties"]) == {path[0] for path in KEYS}
    tables = (item.get("properties", {}) for item in described["$defs"].values())
    slack = next(table for table in tables if table.get("type", {}).get("const") == "slack")
    assert {"url", "alerts", "min_severity"} <= set(slack)
    assert {"type": "string"} in slack["url"]["anyOf"]


def test_the_schema_accepts_durations_as_texts():
    described = schema_json(app.schema())
    retention = described["$defs"]["StoreTable"]["properties"]["retention"]
    assert [kind["type"] for kind in retention["anyOf"]] == ["number", "string"]
