"""`queue`, `silence` and `resolve`."""

import os
import pwd

import pytest

from agent.core.facts import ResolveAsked
from agent.core.model import DeliveryState, Silence, Status
from agent.core.payload import rfc3339
from agent.core.ports import Receipt
from agent.store import deliveries, events, silences
from tests.support.stored import SECOND, disk_alert, given_up, held_back, told, tried

ME = pwd.getpwuid(os.getuid()).pw_name
MINUTE = 60 * SECOND


def state_of(store, row):
    return store.read(lambda conn: deliveries.get(conn, row.id)).state


@pytest.fixture
def waiting(store, now):
    """A delivery that waits after a failed attempt."""
    row = told(store, disk_alert(now - MINUTE), now - MINUTE)
    tried(store, "ops", now - MINUTE, "connection refused")
    return row


@pytest.fixture
def dead(store, now):
    """A delivery that was given up."""
    row = told(store, disk_alert(now - MINUTE, mountpoint="/b"), now - MINUTE, channel="pager")
    given_up(store, "pager", now - MINUTE, "rejected")
    return row


def test_the_queue_as_a_table(ask, waiting, dead, now):
    header, first, second = ask("queue", "list").stdout.splitlines()
    assert header.split() == ["SINCE", "CHANNEL", "STATE", "WHAT", "ATTEMPTS", "NEXT", "WHY", "ID"]
    due = rfc3339(now - 55 * SECOND)[:19].replace("T", " ")
    assert first.split()[2:4] == ["ops", "queued"]
    assert first.endswith(f"  {due}  connection refused  {waiting.id}")
    assert "dead" in second
    assert second.endswith(f"HTTP 400            {dead.id}")


def test_the_queue_as_objects(ask_json, waiting, dead):
    found = ask_json("queue", "list")
    assert [(item["id"], item["state"], item["last_error"]) for item in found] == [
        (waiting.id, "queued", "connection refused"), (dead.id, "dead", "HTTP 400")
    ]  # fmt: skip


def test_an_empty_queue(ask, store):
    assert ask("queue", "list").stdout == "nothing waits, and nothing is dead\n"


def test_retry_of_everything(ask, store, waiting, dead):
    assert ask("queue", "retry").stdout == "2 deliveries due now\n"
    assert state_of(store, dead) is DeliveryState.QUEUED


def test_retry_of_one(ask, store, waiting, dead):
    assert ask("queue", "retry", waiting.id).stdout == "1 delivery due now\n"
    assert state_of(store, dead) is DeliveryState.DEAD


def test_retry_says_what_it_leaves_alone(ask, store, now):
    held_back(store, disk_alert(now - MINUTE), now - MINUTE, "quiet_hours", now + MINUTE)
    assert ask("queue", "retry").stdout == (
        "0 deliveries due now\n1 delivery held back on purpose: `gpuwarden queue list` says until when, and why\n"
    )


def test_drop(ask, store, waiting, dead):
    assert ask("queue", "drop", waiting.id, dead.id).stdout == "2 deliveries dropped\n"
    assert {state_of(store, row) for row in (waiting, dead)} == {DeliveryState.SUPPRESSED}


def test_drop_of_what_was_delivered_meanwhile(ask, store, waiting, now):
    tried(store, "ops", now, Receipt())
    result = ask("queue", "drop", waiting.id)
    assert (result.exit_code, result.stdout) == (1, "0 deliveries dropped\n")
    assert result.stderr == "gpuwarden: 1 delivery not in the queue any more: being sent, or ended\n"


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_an_unknown_delivery(ask, store, command):
    result = ask("queue", command, "dlv_unknown")
    assert result.exit_code == 1
    assert result.stderr == (
        "gpuwarden: there is no delivery dlv_unknown: see `gpuwarden queue list`; nothing was changed\n"
    )


def test_drop_needs_an_id(ask, store):
    assert ask("queue", "drop").exit_code == 2


def test_resolve(ask, store, waiting):
    result = ask("resolve", waiting.alert_id[:8])
    assert (result.exit_code, result.stdout) == (
        0, f"the agent will end {waiting.alert_id} (Disk 93 % full: /data)\n"
    )  # fmt: skip
    ((_, event),) = store.read(lambda conn: events.after(conn, 0, 10))
    assert event.fact == ResolveAsked(waiting.alert_id, ME)


def test_resolve_of_what_is_over(ask, store, now):
    alert = disk_alert(now, status=Status.RESOLVED, ends_at=now)
    told(store, alert, now)
    result = ask("resolve", alert.id)
    assert result.exit_code == 1
    assert result.stderr == f"gpuwarden: alert {alert.id} is over already: only what is firing can be resolved\n"


def test_a_silence_of_labels(ask_json, store):
    labels = ("--match", "node=n1", "--match", "type=disk_*")
    (found,) = ask_json("silence", "add", *labels, "--for", "2h", "--comment", "x")
    (stored,) = store.read(silences.load)
    assert stored == Silence(
        found["id"], stored.starts_at, stored.starts_at + 120 * MINUTE, ME, "x", None, {"node": "n1", "type": "disk_*"}
    )
    assert found == {
        "id": stored.id, "starts_at": rfc3339(stored.starts_at), "ends_at": rfc3339(stored.ends_at), "active": True,
        "author": ME, "comment": "x", "alert_id": None, "match": {"node": "n1", "type": "disk_*"},
    }  # fmt: skip
    assert len(found["id"]) == 10
    assert ask_json("silence", "list") == [found]


def test_a_silence_of_one_alert(ask, store, waiting):
    result = ask("silence", "add", "--alert", waiting.alert_id[:8], "--for", "30m")
    (stored,) = store.read(silences.load)
    until = rfc3339(stored.ends_at)[:19].replace("T", " ")
    assert result.stdout == f"silence {stored.id} until {until}\n"
    assert stored.alert_id == waiting.alert_id
    header, row = ask("silence", "list").stdout.splitlines()
    assert header.split() == ["UNTIL", "WHAT", "AUTHOR", "COMMENT", "ID"]
    assert row == f"{until}  alert {waiting.alert_id}  {ME:6}  -        {stored.id}"


def test_the_end_of_a_silence(ask, store):
    ask("silence", "add", "--match", "node=n1", "--for", "2h")
    (stored,) = store.read(silences.load)
    assert ask("silence", "end", stored.id).stdout == f"silence {stored.id} is over\n"
    assert ask("silence", "list").stdout == "nothing is silenced\n"
    again = ask("silence", "end", stored.id)
    assert again.exit_code == 1
    assert again.stderr.startswith(f"gpuwarden: there is no silence '{stored.id}' that is not over")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--match", "a=b"), "Missing option '--for'"),
        (("--for", "2h"), "expected either --alert ID or at least one --match K=V"),
        (("--for", "2h", "--alert", "x", "--match", "a=b"), "expected either --alert ID or at least one --match K=V"),
        (("--for", "2h", "--match", "ab"), "'ab' is no label: expected K=V"),
        (("--for", "2h", "--match", "=b"), "'=b' is no label: expected K=V"),
        (("--for", "2h", "--match", "type=disk_waring"), "'disk_waring' is no type: did you mean \"disk_warning\"?"),
        (("--for", "2h", "--match", "severity=bad"), "'bad' is no severity: expected one of info, warning, critical"),
        (("--for", "soon", "--match", "a=b"), "'soon' is no duration"),
        (("--for", "31d", "--match", "a=b"), "'31d' is not between nothing and 30 days"),
        (("--for", "0s", "--match", "a=b"), "'0s' is not between nothing and 30 days"),
    ],
)
def test_a_wrong_silence_ends_with_2(ask, store, options, complaint):
    result = ask("silence", "add", *options)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert store.read(silences.load) == []


CHANGING = [
    ("queue", "retry"), ("queue", "drop", "dlv_1"), ("resolve", "0199aaaa"), ("silence", "end", "s1"),
    ("silence", "add", "--match", "a=b", "--for", "2h"),
]  # fmt: skip


@pytest.mark.parametrize("command", CHANGING)
def test_who_may_not_write_is_told_so(ask, store, stranger, command):
    with stranger():
        result = ask(*command)
    assert result.exit_code == 1
    assert result.stderr == (
        f"gpuwarden: user {os.geteuid()} may not write to {store.path}: run this as the agent's own user\n"
    )


@pytest.mark.parametrize("command", CHANGING)
def test_where_no_agent_has_run(ask, state, command):
    result = ask(*command)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"gpuwarden: no agent has run here yet: {state}/gpuwarden.db; begin with")
