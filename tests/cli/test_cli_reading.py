"""`history`, `explain`, and how commands reach what they read."""

import json
import os

import pytest

from agent import offline  # noqa: F401 - loaded before a test becomes somebody who may not read the program
from agent.cli import explain, history, queue, silence  # noqa: F401 - as above
from agent.core.payload import rfc3339
from agent.core.ports import Receipt
from tests.support.standin import Answer, StandIn
from tests.support.stored import SECOND, disk_alert, left_out, told, tried

HOUR = 3_600 * SECOND


def test_history_prints_one_object_a_line(ask_json, store, now):
    alert = disk_alert(now - 60 * SECOND)
    told(store, alert, now - 60 * SECOND)
    older = disk_alert(now - HOUR, mountpoint="/b")
    left_out(store, older, now - HOUR, "not_taken")
    found = ask_json("history")
    assert [item["id"] for item in found] == [alert.id, older.id]
    assert found[0]["starts_at"] == rfc3339(now - 60 * SECOND)
    assert [item["state"] for item in found[1]["deliveries"]] == ["suppressed"]


def test_history_as_a_table(ask, store, now):
    alert = disk_alert(now - 60 * SECOND)
    told(store, alert, now - 60 * SECOND)
    tried(store, "ops", now - 59 * SECOND, Receipt())
    left_out(store, alert, now - 60 * SECOND, "not_taken")
    header, row = ask("history").stdout.splitlines()
    assert header.split() == ["BEGAN", "SEVERITY", "STATUS", "TITLE", "DELIVERIES", "ID"]
    began = rfc3339(now - 60 * SECOND)[:19].replace("T", " ")
    assert row == f"{began}  warning   firing  Disk 93 % full: /data  ops delivered, pager suppressed  {alert.id}"


def test_history_of_nothing(ask, store):
    result = ask("history", "--since", "2h")
    assert (result.exit_code, result.stdout) == (0, "no alert in the last 2h\n")
    assert ask("history", "--since", "00:00", "--type", "gpu_oom").stdout == "no such alert since 00:00\n"


@pytest.mark.parametrize(
    ("options", "titles"),
    [
        ((), ["new", "old"]),
        (("--since", "30m"), ["new"]),
        (("--limit", "1"), ["new"]),
        (("--type", "job_failed"), []),
        (("--type", "disk_warning"), ["new", "old"]),
        (("--channel", "ops"), ["new"]),
        (("--job", "job-1"), ["old"]),
    ],
)
def test_history_filters(ask_json, store, now, options, titles):
    told(store, disk_alert(now - 60 * SECOND, title="new"), now)
    told(store, disk_alert(now - HOUR, mountpoint="/b", title="old", job_id="job-1"), now, channel="pager")
    assert [item["title"] for item in ask_json("history", *options)] == titles


def test_history_since_a_date(ask_json, store, now):
    told(store, disk_alert(now - 60 * SECOND), now)
    assert len(ask_json("history", "--since", rfc3339(now - 120 * SECOND))) == 1
    assert ask_json("history", "--since", rfc3339(now - 30 * SECOND)) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--since", "yesterday"), "'yesterday' is no point in time: expected a duration such as"),
        (("--type", "fire"), "'fire' is not one of 'job_started'"),
        (("--limit", "0"), "0 is not in the range 1<=x<=10000"),
    ],
)
def test_a_wrong_option_ends_with_2(ask, store, options, complaint):
    result = ask("history", *options)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_explain_tells_the_story(ask, store, now):
    alert = disk_alert(now - 60 * SECOND)
    told(store, alert, now - 60 * SECOND)
    left_out(store, alert, now - 60 * SECOND, "below_min_severity")
    result = ask("explain", alert.id[:8])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Disk 93 % full: /data (warning disk_warning)\nAlert {alert.id}; times are UTC.\n")
    assert "The alert is not sent: the severity is below the channel's `min_severity`.\n" in result.stdout


def test_explain_as_an_object(ask_json, store, now):
    alert = disk_alert(now)
    told(store, alert, now)
    (found,) = ask_json("explain", alert.id)
    assert (found["id"], found["attempts"], len(found["decisions"])) == (alert.id, [], 1)


def test_explain_of_an_unknown_alert_ends_with_1(ask, store):
    result = ask("explain", "0199aaaa")
    assert result.exit_code == 1
    assert result.stderr == (
        "gpuwarden: there is no alert '0199aaaa', or more than one begins so: see `gpuwarden history`\n"
    )


def test_explain_a_period(ask, ask_json, store, now):
    first, second = disk_alert(now - HOUR), disk_alert(now - HOUR, mountpoint="/b")
    told(store, first, now - HOUR)
    left_out(store, second, now - 60 * SECOND, "not_taken")
    (before,) = ask_json("explain", "--between", "90m", "30m")
    (after,) = ask_json("explain", "--between", "30m", "0s")
    assert [item["id"] for item in before["alerts"] if item["decisions"]] == [first.id]
    assert [item["id"] for item in after["alerts"] if item["decisions"]] == [second.id]
    text = ask("explain", "--between", "90m", "0s").stdout
    assert text.count("Disk 93 % full: /data: the alert is ") == 2
    assert "Nothing happened that anybody could have been told of." in ask("explain", "--between", "3h", "2h").stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "expected either ALERT_ID or --between T1 T2"),
        (("0199aaaa", "--between", "2h", "1h"), "expected either ALERT_ID or --between T1 T2"),
        (("--between", "1h", "2h"), "the first time is not before the second"),
        (("--between", "then", "now"), "'then' is no point in time"),
    ],
)
def test_explain_needs_one_question(ask, store, arguments, complaint):
    result = ask("explain", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize(
    "command", ["history", "explain 0199aaaa", "explain --between 2h 1h", "queue list", "silence list"]
)
def test_where_no_agent_has_run(ask, state, command):
    result = ask(*command.split())
    assert result.exit_code == 1
    assert result.stderr.startswith(f"gpuwarden: no agent has run here yet: {state}/gpuwarden.db; begin with")


def test_a_store_of_another_program_is_named(ask, state):
    (state / "gpuwarden.db").write_bytes(b"something else entirely\n" * 100)
    result = ask("history")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"gpuwarden: {state}/gpuwarden.db")


def test_after_the_agent_has_stopped_history_can_still_be_read(ask_json, store, now):
    told(store, disk_alert(now), now)
    store.close()
    assert len(ask_json("history")) == 1


def test_who_may_not_read_asks_the_running_agent(ask_json, store, agent, stranger, now):
    alert = disk_alert(now - 60 * SECOND)
    told(store, alert, now - 60 * SECOND)
    with stranger():
        assert [item["id"] for item in ask_json("history", "--type", "disk_warning", "--channel", "ops")] == [alert.id]
        assert ask_json("history", "--since", "10s") == []
        assert [item["id"] for item in ask_json("explain", alert.id[:8])] == [alert.id]
        (period,) = ask_json("explain", "--between", "2m", "0s")
        assert [item["id"] for item in period["alerts"]] == [alert.id]
        assert [item["alert_id"] for item in ask_json("queue", "list")] == [alert.id]
        assert ask_json("silence", "list") == []


def test_who_has_no_database_and_names_none_asks_the_running_agent(call, ask, store, agent, here, monkeypatch, now):
    alert = disk_alert(now - 60 * SECOND)
    told(store, alert, now - 60 * SECOND)
    monkeypatch.setenv("STATE_DIRECTORY", f"{here}/nothing-here")
    result = call("history", "--json")
    assert (result.exit_code, json.loads(result.stdout)["id"]) == (0, alert.id)


def test_an_alert_that_the_running_agent_does_not_know(ask, agent, stranger):
    with stranger():
        result = ask("explain", "0199aaaa")
    assert (result.exit_code, "there is no alert '0199aaaa'" in result.stderr) == (1, True)


def test_who_may_not_read_while_no_agent_answers(ask, store, stranger, agent_port):
    with stranger():
        result = ask("history")
    assert result.exit_code == 1
    path = f"{store.path}"
    address = f"http://127.0.0.1:{agent_port}"
    assert result.stderr == (
        f"gpuwarden: user {os.geteuid()} may not read {path}, and no agent answers at {address}: Connection refused; "
        "ask as the agent's own user\n"
    )


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer(401, body=b'{"error": {"code": "unauthorized", "message": "only this node may ask"}}'),
         "says: only this node may ask"),
        (Answer(503, body=b"{}"), "says: HTTP 503"),
        (Answer(404, body=b"{}"), "is of another version, which cannot tell this"),
        (Answer(200, body=b"<html>"), "no agent answers at {url}: what answers there is no gpuwarden"),
    ],
)  # fmt: skip
def test_what_else_may_answer(ask, store, stranger, monkeypatch, answer, complaint):
    with StandIn(answer) as other, stranger():
        monkeypatch.setenv("GPUWARDEN_SERVER__LISTEN", f"127.0.0.1:{other.port}")
        result = ask("history")
        complaint = complaint.format(url=other.url)
    assert result.exit_code == 1
    assert complaint in result.stderr
