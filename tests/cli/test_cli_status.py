"""`status`."""

import json

import pytest

from agent.cli import overview, status
from agent.core.model import ChannelState
from agent.core.payload import rfc3339
from agent.core.policy.model import Recipient
from agent.runtime.showing import Showing
from agent.store import ledger
from tests.support.stored import SECOND, disk_alert, told

MINUTE = 60 * SECOND


def test_status_of_the_running_agent(ask, agent, store, now):
    told(store, disk_alert(now), now)
    result = ask("status", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["running"], found["version"], found["node"], len(found["alerts"])) == (True, "1.2.3", "n1", 1)


def test_status_as_text(ask, agent, store, now):
    alert = disk_alert(now)
    told(store, alert, now)
    lines = ask("status").stdout.splitlines()
    assert lines[0].startswith("gpuwarden 1.2.3 on n1, up ")
    assert lines[2] == "Jobs: none running"
    assert lines[4:7] == [
        "Alerts",
        "BEGAN                SEVERITY  TITLE                  ID",
        f"{rfc3339(now)[:19].replace('T', ' ')}  warning   Disk 93 % full: /data  {alert.id}",
    ]
    assert lines[-1] == "Logs: 0 followed, 0 B not yet read"


def test_status_without_an_agent_tells_what_is_stored(ask, store, agent_port, now):
    told(store, disk_alert(now), now)
    result = ask("status")
    assert result.exit_code == 1
    assert result.stderr == f"gpuwarden: no agent answers at http://127.0.0.1:{agent_port}: Connection refused\n"
    assert result.stdout.startswith("stored on n1; what follows may be old\n")
    assert "Disk 93 % full: /data" in result.stdout


def test_status_without_an_agent_as_an_object(ask, store):
    result = ask("status", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["running"], found["jobs"], found["alerts"]) == (False, [], [])
    assert [item["name"] for item in found["channels"]] == ["console"]


def test_status_where_no_agent_has_run(ask, state):
    result = ask("status")
    assert result.exit_code == 1
    assert f"gpuwarden: no agent has run here yet: {state}/gpuwarden.db; begin with" in result.stderr


def test_watching_looks_again_until_it_is_interrupted(ask, agent, monkeypatch):
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", pause)
    result = ask("status", "--watch")
    assert (result.exit_code, pauses) == (0, [2.0] * 3)
    assert result.stdout.count("gpuwarden 1.2.3 on n1") == 3


@pytest.fixture
def full(agent, store, now, monkeypatch):
    """What an agent with something in every section says."""
    monkeypatch.setattr(
        agent._records, "_showing", lambda: Showing("n1", (Recipient("ops", "slack"), Recipient("pager", "webhook")))
    )
    paused = ChannelState("ops", paused_until=now + 60 * MINUTE, reason="rate_limited", detail="HTTP 429")
    store.write(lambda conn: ledger.save_channel_state(conn, paused))
    told(store, disk_alert(now), now)
    return agent.status() | {
        "jobs": [{"id": "job-1", "name": "sft", "state": "running", "step": 42, "total_steps": 100, "loss": 0.51234,
                  "progress_age_seconds": 3.0}],
        "disks": [{"mountpoint": "/data", "used_percent": 93.4, "inodes_used_percent": None, "free_bytes": 1 << 30,
                   "readonly": True}],
        "sources": [{"name": "gpu", "state": "unavailable", "detail": "no driver: install one"},
                    {"name": "disk", "state": "ok", "detail": None}],
        "silences": [{"id": "s1", "ends_at": rfc3339(now), "author": "ada\x1b[2J", "alert_id": None,
                      "match": {"type": "disk_warning"}}],
        "store": {"trouble": "the disk is full", "since": rfc3339(now)},
        "logs": {"followed": 2, "unread_bytes": 2048,
                 "unreadable": [{"path": "/x", "reason": "Permission denied", "remedy": "let it be read"}]},
        "processes": [
            {"pid": 7, "name": "sft.py", "job": True, "because": "started by torchrun", "processes": 9, "logs": [
                {"what": "its output", "path": "/data/a.log", "read": True, "reason": None},
                {"what": "its errors", "path": None, "read": False, "reason": "goes to a terminal: write a file"}]},
            {"pid": 8, "name": "kernel", "job": False, "because": "is a notebook", "processes": 1, "logs": []},
        ],
    }  # fmt: skip


def test_every_section_in_words(full, now, capsys):
    overview.display(full, Showing("n1").zone)
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[1] == "the store refuses: the disk is full"
    until = rfc3339(now + 60 * MINUTE)[:19].replace("T", " ")
    for line in (
        "sft   running  42/100  0.5123  3s ago    job-1",
        f"ops    slack    1        0     paused until {until}: HTTP 429",
        "pager  webhook  0        0     up",
        "93 %  -       1.0 GiB  /data (read-only)",
        "gpu   unavailable: no driver: install one",
        "disk  ok",
        f"{rfc3339(now)[:19].replace('T', ' ')}  type=disk_warning  ada     s1",
        "Logs: 2 followed, 2.0 KiB not yet read",
        "  cannot read /x (Permission denied): let it be read",
        "  not read: its errors goes to a terminal: write a file",
    ):
        assert line in lines
    assert "notebook" not in text


def test_why_in_words(full, capsys):
    overview.display(full, Showing("n1").zone, why=True)
    assert capsys.readouterr().out.partition("Programs\n")[2].splitlines() == [
        "  sft.py (pid 7) is a job: started by torchrun",
        "    /data/a.log, its output: is read",
        "    not read: its errors goes to a terminal: write a file",
        "  kernel (pid 8) is no job: is a notebook",
    ]


def test_why_without_programs(full, capsys):
    overview.display(full | {"processes": []}, Showing("n1").zone, why=True)
    assert capsys.readouterr().out.endswith("\nPrograms: none that look like training\n")
