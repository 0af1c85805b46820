"""`emit`, and the way into the spool that it shares with `exec`."""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import hand_in
from agent.cli.common import Place
from agent.cli.hand_in import NotStored, Spool
from agent.cli.main import gpuwarden
from agent.config import locate
from agent.config.errors import ConfigError
from agent.core import handoff
from agent.core.clock import Instant
from agent.core.model import AlertType, Severity, Status
from agent.sources import spool_folder
from agent.sources.spool import SpoolSource

NOBODY = 65_534


@pytest.fixture
def spool(tmp_path, monkeypatch):
    directory = tmp_path / "spool"
    spool_folder.prepare(directory)
    monkeypatch.setenv("GPUWARDEN_AGENT__SPOOL_DIR", str(directory))
    return directory


def emit(*arguments):
    return CliRunner().invoke(gpuwarden, ["emit", *arguments], prog_name="gpuwarden")


def files(directory):
    return [path for path in directory.iterdir() if path.is_file()]


def the_fact(directory):
    (file,) = files(directory)
    return handoff.parse(file.read_bytes(), os.getuid(), file.name)


def test_an_event_is_one_file_that_only_its_owner_may_read(spool):
    assert emit("job_failed").exit_code == 0
    (file,) = files(spool)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.suffix == ".json"


def test_every_option_arrives(spool):
    result = emit(
        "disk_warning", "--job", "4711", "--severity", "critical", "--title", "Scratch", "--message", "is\nfull",
        "--field", "free=1 GiB", "--field", "formula=a=b", "--label", "rack=7", "--resolve",
    )  # fmt: skip
    assert result.output == ""
    fact = the_fact(spool)
    assert (fact.type, fact.status, fact.severity) == (AlertType.DISK_WARNING, Status.RESOLVED, Severity.CRITICAL)
    assert (fact.title, fact.message, fact.job) == ("Scratch", "is\nfull", {"id": "4711"})
    assert (fact.fields, fact.labels) == ({"free": "1 GiB", "formula": "a=b"}, {"rack": "7"})


def test_the_spool_source_takes_what_was_emitted_in_its_order(spool):
    for title in ("first", "second"):
        emit("job_completed", "--title", title)
    source = SpoolSource(spool, lambda: None)
    assert [event.fact.title for event in source.read(Instant(0, 0)).events] == ["first", "second"]
    source.committed()
    source.close()
    assert files(spool) == []


def test_json_tells_what_was_handed_in(spool):
    told = json.loads(emit("gpu_error", "--json").output)
    (file,) = files(spool)
    assert told == {"type": "gpu_error", "status": "firing", "severity": "critical", "file": str(file)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'TYPE'"),
        (["job_fialed"], 'type: found "job_fialed", expected one of job_started, '),
        (["daily_summary"], 'type: found "daily_summary"'),
        (["job_failed", "--resolve"], "status: found resolved for job_failed, expected event"),
        (["job_failed", "--severity", "bad"], "'bad' is not one of"),
        (["job_failed", "--field", "x"], "--field: found 'x', expected NAME=VALUE"),
        (["job_failed", "--label", "a-b=c"], 'labels: the name "a-b"'),
        (["job_failed", "--job", ""], 'job.id: found ""'),
        (["job_failed", *(f"--field=f{number}=" for number in range(33))], "fields: 33 entries, expected at most 32"),
    ],
)
def test_wrong_usage_ends_with_2_and_hands_nothing_in(spool, arguments, message):
    result = emit(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert files(spool) == []


def test_what_cannot_be_stored_ends_with_1_and_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUWARDEN_AGENT__SPOOL_DIR", str(tmp_path / "missing"))
    result = emit("job_failed")
    assert result.exit_code == 1
    assert f"{tmp_path}/missing: No such file or directory; start the agent once" in result.output


def test_a_disk_that_fills_meanwhile_leaves_nothing_behind(spool, monkeypatch):
    def fail(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    result = emit("job_failed")
    assert result.exit_code == 1
    assert "No space left on device; free some space there" in result.output
    assert files(spool) == []


def test_the_first_event_makes_the_spool_before_any_agent_ran(tmp_path, monkeypatch):
    monkeypatch.delenv("GPUWARDEN_AGENT__SPOOL_DIR", raising=False)
    state = tmp_path / "deep" / "state"
    assert emit("job_failed", "--state-dir", str(state)).exit_code == 0
    assert stat.S_IMODE(state.stat().st_mode) == 0o711
    assert len(files(state / "spool")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_any_user_can_hand_in_without_seeing_the_spool():
    directory = Path(tempfile.mkdtemp())
    try:
        directory.chmod(0o711)
        spool_folder.prepare(directory / "spool")
        os.seteuid(NOBODY)
        try:
            hand_in.store(Spool(directory / "spool"), b"{}", 1)
            with pytest.raises(PermissionError):
                list((directory / "spool").iterdir())
        finally:
            os.seteuid(0)
        (file,) = files(directory / "spool")
        assert file.stat().st_uid == NOBODY
        (directory / "spool").chmod(0o700)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(NotStored, match="Permission denied; the agent makes the spool writable for everyone"):
                hand_in.store(Spool(directory / "spool"), b"{}", 1)
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node with nothing on it: no configuration, no agent."""
    monkeypatch.setattr(hand_in, "SYSTEM_STATE", tmp_path / "var")
    monkeypatch.setattr(locate, "SYSTEM_STATE", tmp_path / "var")
    monkeypatch.setattr(locate, "SYSTEM_CONFIG", tmp_path / "etc.toml")
    return tmp_path


def test_the_spool_is_found_as_the_agent_finds_it(node):
    config = node / "config.toml"
    home = {"XDG_STATE_HOME": str(node / "home"), "XDG_CONFIG_HOME": str(node / "cfg")}
    own = node / "var" if os.geteuid() == 0 else node / "home" / "gpuwarden"

    def found(environ=home, text=None, **place):
        if text is not None:
            config.write_text(text)
            place["config"] = config
        return hand_in.find(Place(**place), {**home, **environ}).directory

    assert found() == own / "spool"
    assert found({"STATE_DIRECTORY": "/of/another/service"}) == own / "spool"
    (node / "var" / "spool").mkdir(parents=True)
    assert found() == node / "var" / "spool"
    assert found(text='[agent]\nstate_dir = "/conf"') == Path("/conf/spool")
    assert found({"GPUWARDEN_AGENT__STATE_DIR": "/env"}, text='[agent]\nstate_dir = "/conf"') == Path("/env/spool")
    assert found({"GPUWARDEN_AGENT__STATE_DIR": "/env"}, state_dir=Path("/option")) == Path("/option/spool")
    assert found(text='[agent]\nspool_dir = "/conf/s"', state_dir=Path("/option")) == Path("/conf/s")
    assert found({"GPUWARDEN_AGENT__SPOOL_DIR": "/env/s"}, text='[agent]\nspool_dir = "/conf/s"') == Path("/env/s")
    (node / "etc.toml").write_text('[agent]\nstate_dir = "/etc-says"')
    assert found() == Path("/etc-says/spool")


def test_a_configuration_that_may_not_be_read_is_passed_by(node, monkeypatch):
    (node / "etc.toml").write_text('[agent]\nstate_dir = "/secret"')
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "secret" not in str(hand_in.find(Place(), {}).directory)


def test_a_broken_configuration_is_the_users_fault(node):
    (node / "etc.toml").write_text("[agent")
    with pytest.raises(ConfigError, match=r"etc\.toml:1"):
        hand_in.find(Place(), {})


def test_it_starts_quickly():
    heavy = "{'pydantic', 'rich', 'httpx', 'sqlite3', 'watchdog', 'psutil'}"
    script = f"import sys, agent.cli.main, agent.cli.emit, agent.cli.exec; print(sys.modules.keys() & {heavy})"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "set()\n"
