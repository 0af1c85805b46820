"""The commands about configuration, and the frame around all commands."""

import json
import os
import stat
import subprocess
import sys
import tomllib

import pytest

from agent.cli.main import COMMANDS, gpuwarden

URL = "https://hooks.slack.com/services/T0/B0/secretpart"


def test_a_fine_configuration(call, file, here):
    config = file(f"[channels.ops]\ntype = 'slack'\nurl = '{URL}'\n")
    result = call("check", "--config", config, "--state-dir", here / "state")
    assert result.exit_code == 0
    assert "warning: channels.ops.url: the secret stands in" in result.output
    assert result.output.endswith(f"{config}: 0 errors, 1 warning\n")
    assert "secretpart" not in result.output


def test_findings_as_json_lines(call, here):
    result = call("check", "--json", "--state-dir", here / "state")
    assert result.exit_code == 0
    findings = [json.loads(line) for line in result.output.splitlines()]
    text = "channels: none is configured: alerts are printed to the console, and nowhere else"
    assert {"level": "note", "text": text} in findings


def test_a_bad_configuration_ends_with_2_and_tells_everything(call, file):
    config = file("[agent]\nnod = 1\ntimezone = 'Mars'\n")
    result = call("check", "--config", config)
    assert result.exit_code == 2
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    assert first == f'gpuwarden: {config}:2: agent.nod: unknown key; did you mean "node"?'
    assert second.startswith(f'gpuwarden: {config}:3: agent.timezone: found "Mars", expected an IANA time zone')


def test_a_state_directory_that_cannot_be_ends_with_2(call, here):
    (here / "state").write_text("a file")
    result = call("check", "--state-dir", here / "state")
    assert result.exit_code == 2
    assert "error: agent.state_dir: " in result.output


def test_a_server_that_cannot_be_reached_ends_with_1(call, file, here):
    config = file("[channels.hook]\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/x'\n")
    result = call("check", "--online", "--config", config, "--state-dir", here / "state")
    assert result.exit_code == 1
    assert "error: channel hook: 127.0.0.1:1 cannot be reached: Connection refused" in result.output


@pytest.mark.parametrize("order", ["before", "within", "after"])
def test_the_common_options_stand_before_or_after_the_command(call, file, here, order):
    common = ["--config", file("[agent]\nnode = 'named'"), "--state-dir", here / "state"]
    command = ["config", "show"]
    place = {"before": 0, "within": 1, "after": 2}[order]
    result = call(*command[:place], *common, *command[place:])
    assert result.exit_code == 0
    shown = tomllib.loads(result.output)["agent"]
    assert (shown["node"], shown["state_dir"]) == ("named", str(here / "state"))


def test_the_later_option_wins(call, here):
    result = call("--state-dir", here / "first", "config", "show", "--state-dir", here / "second")
    assert tomllib.loads(result.output)["agent"]["state_dir"] == str(here / "second")


def test_show_masks_secrets_and_names_layers(call, file, monkeypatch):
    monkeypatch.setenv("GPUWARDEN_AGENT__LOG_LEVEL", "debug")
    config = file(f"[channels.ops]\ntype = 'slack'\nurl = '{URL}'\n")
    result = call("config", "show", "--config", config)
    assert "secretpart" not in result.output
    lines = {line.split(" = ")[0]: line for line in result.output.splitlines() if " = " in line}
    assert lines["log_level"].split() == ["log_level", "=", '"debug"', "#", "environment", "GPUWARDEN_AGENT__LOG_LEVEL"]
    assert lines["url"].split() == ["url", "=", '"***"', "#", f"{config}:3"]


def test_show_as_json(call, file):
    config = file("[server]\nlisten = '127.0.0.1:1234'\n")
    shown = json.loads(call("config", "show", "--json", "--config", config).output)
    assert shown["server.listen"] == {
        "value": "127.0.0.1:1234", "layer": "file", "file": str(config), "line": 2, "variable": None,
    }  # fmt: skip


def test_the_schema_is_json(call):
    described = json.loads(call("config", "schema").output)
    assert described["properties"]["channels"]["patternProperties"]


def test_init_writes_a_private_file_that_check_accepts(call, here):
    target = here / "made" / "config.toml"
    result = call("init", "--output", target)
    assert result.exit_code == 0
    assert str(target) in result.output
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert call("check", "--config", target, "--state-dir", here / "state").exit_code == 0


def test_init_leaves_an_existing_file_alone(call, file):
    config = file("[agent]\nnode = 'mine'\n")
    result = call("init", "--output", config)
    assert result.exit_code == 1
    assert f"{config} exists already" in result.stderr
    assert config.read_text() == "[agent]\nnode = 'mine'\n"


def test_init_prints_on_request(call):
    result = call("init", "--output", "-")
    assert tomllib.loads(result.stdout)["sources"]["disk"]["paths"] == "auto"


def test_every_command_can_be_asked_for_help(call):
    assert list(COMMANDS) == gpuwarden.list_commands(None)
    for name in ("check", "init", "config"):
        result = call(name, "--help")
        assert result.exit_code == 0
        assert "--state-dir" in result.output


def test_an_unknown_command_is_a_usage_error(call):
    result = call("chek")
    assert result.exit_code == 2
    assert "chek" in result.stderr


def python(*arguments, **environ):
    return subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **environ}, capture_output=True, text=True, timeout=60
    )


def test_as_a_process_an_error_is_one_line_without_a_traceback(here):
    result = python("-m", "agent", "check", "--config", str(here / "missing.toml"))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"gpuwarden: {here}/missing.toml: the configuration file named by --config does not exist or cannot be "
        "reached: expected a readable TOML file\n"
    )


def test_the_version_is_the_distributions():
    result = python("-m", "agent", "--version")
    assert result.returncode == 0
    assert result.stdout.startswith("gpuwarden ")


def test_a_reader_that_leaves_early_is_no_error(here):
    command = f"{sys.executable} -m agent config schema | head -c 10"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert len(result.stdout) == 10
    assert result.stderr == ""


def test_the_frame_imports_only_what_every_command_needs():
    code = "import sys, agent.cli.main; print([n for n in ('pydantic', 'rich', 'httpx', 'psutil') if n in sys.modules])"
    assert python("-c", code).stdout == "[]\n"


def test_a_pattern_that_does_not_compile(call, file):
    config = file("[[sources.logs.signatures]]\nid = 'mine'\npattern = 'a(b'\n")
    result = call("check", "--config", config)
    assert result.exit_code == 2
    (problem,) = result.stderr.splitlines()
    assert problem.startswith(f"gpuwarden: {config}:1: sources.logs.signatures[0]: ")
    assert "mine" in problem
    assert "position" in problem
