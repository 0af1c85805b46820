import math
import sqlite3
from dataclasses import replace

import pytest
from store_values import NOW, alert, decision, delivery, event

from agent.core.curve import Point
from agent.core.facts import FindingKind, HandedIn, LogFinding, Progress, Role
from agent.core.job import Incident, Job, JobState, Process
from agent.core.model import (
    AlertType,
    ChannelState,
    Delivery,
    Ledger,
    Link,
    NotificationKind,
    Severity,
    Silence,
    Status,
)
from agent.store import alerts, decisions, events, jobs, ledger, meta, outbox, silences
from agent.store.errors import Undecodable

FINDING = LogFinding(
    path="/logs/\udcff.log", file="8:1", offset=12, signature="torch-oom", kind=FindingKind.GPU_OOM, role=Role.ROOT,
    severity=Severity.CRITICAL, text="CUDA out of memory", facts={"tried_gib": 2.5}, context=("a", "b"),
    progress=Progress(step=3, loss=math.inf),
)
JOB = Job(
    id="job-1", keys=("proc:boot:7:99", "file:8:1:0"), name="train.py", started_at=NOW,
    process=Process("boot", 7, 99), incident=Incident(NOW, 3, (FINDING,), (NOW,)), progress=Progress(step=3),
)


# --- events and checkpoints ----------------------------------------------------------------------------------------


def test_events_come_back_in_order_behind_a_cursor(conn):
    handed = event("e2", fact=HandedIn(AlertType.JOB_FAILED, Status.EVENT, Severity.CRITICAL, labels={"k": "v"}))
    found = event("e3", source="logs", fact=FINDING)
    assert events.append(conn, [event("e1"), handed, found]) == 3
    assert events.after(conn, 0, 2) == [(1, event("e1")), (2, handed)]
    assert events.after(conn, 2, 2) == [(3, found)]


def test_an_event_read_twice_is_stored_once(conn):
    events.append(conn, [event("e1")])
    assert events.append(conn, [event("e1", at=NOW + 9), event("e2")]) == 1
    assert [stored.at for _, stored in events.after(conn, 0, 9)] == [NOW, NOW]


def test_no_events_are_none(conn):
    assert events.append(conn, []) == 0
    assert events.after(conn, 0, 9) == []


@pytest.mark.parametrize(
    ("column", "value"), [("fact", "{"), ("fact", "{}"), ("kind", "FromTomorrow"), ("fact", '{"alert_id": 1}')]
)
def test_an_unreadable_event_is_passed_over_by_its_number(conn, column, value):
    events.append(conn, [event("e1"), event("e2")])
    conn.execute(f"UPDATE event SET {column} = ? WHERE id = 'e1'", (value,))
    assert events.after(conn, 0, 9) == [(1, None), (2, event("e2"))]


def test_the_evaluators_cursor_starts_at_nothing_and_moves(conn):
    assert events.cursor(conn) == 0
    events.advance(conn, 7)
    assert events.cursor(conn) == 7


def test_a_checkpoint_is_changed_key_by_key(conn):
    path = "/logs/\udcff.log"
    events.save_checkpoint(conn, "logs", {path: {"offset": 5}, "gone": 1})
    events.save_checkpoint(conn, "kernel", {path: 9})
    events.save_checkpoint(conn, "logs", {"gone": None, "new": [1, 2]})
    assert events.load_checkpoint(conn, "logs") == {path: {"offset": 5}, "new": [1, 2]}
    assert events.load_checkpoint(conn, "never") == {}


# --- alerts --------------------------------------------------------------------------------------------------------


def test_an_alert_comes_back_whole_and_changes_in_place(conn):
    rich = alert(job={"id": "j", "loss": 0.5}, links=(Link("log", "https://x"),), fields={"f": "g"}, job_id="j")
    alerts.save(conn, rich)
    assert alerts.get(conn, "a1") == rich
    outbox.insert(conn, delivery())
    ended = alert(status=Status.RESOLVED, ends_at=NOW + 5)
    alerts.save(conn, ended)
    assert alerts.get(conn, "a1") == ended
    assert conn.execute("SELECT count(*) FROM delivery").fetchone() == (1,)  # the change did not replace the row
    assert alerts.get(conn, "none") is None


def test_a_fingerprint_has_one_open_episode(conn):
    alerts.save(conn, alert("a1", fingerprint="fp"))
    with pytest.raises(sqlite3.IntegrityError):
        alerts.save(conn, alert("a2", fingerprint="fp"))
    alerts.save(conn, alert("a1", fingerprint="fp", status=Status.RESOLVED))
    alerts.save(conn, alert("a2", fingerprint="fp"))
    assert [one.id for one in alerts.firing(conn)] == ["a2"]


def test_alerts_are_found_by_fingerprint_and_time(conn):
    for number, starts_at in enumerate([NOW - 10, NOW, NOW + 10]):
        alerts.save(conn, alert(f"a{number}", fingerprint="fp", starts_at=starts_at, status=Status.EVENT))
    alerts.save(conn, alert("else"))
    assert [one.id for one in alerts.recent(conn, "fp", NOW)] == ["a1", "a2"]
    assert [one.id for one in alerts.one_shots(conn, NOW)] == ["a1", "a2"]


def test_an_unreadable_alert_is_named(conn):
    alerts.save(conn, alert())
    conn.execute("UPDATE alert SET body = '{}'")
    with pytest.raises(Undecodable, match="alert a1: cannot be read as Alert"):
        alerts.firing(conn)


# --- jobs ----------------------------------------------------------------------------------------------------------


def test_a_job_comes_back_whole_and_changes_in_place(conn):
    jobs.save(conn, JOB)
    assert [jobs.get(conn, name) for name in ("job-1", "unknown")] == [JOB, None]
    ended = replace(JOB, keys=(*JOB.keys, "slurm:7"), state=JobState.FAILED, ended_at=NOW + 1)
    jobs.save(conn, ended)
    assert jobs.get(conn, "job-1") == ended


def test_running_jobs_are_those_without_an_end(conn):
    jobs.save(conn, JOB)
    jobs.save(conn, Job("job-2", ("k",), "done.py", NOW, state=JobState.COMPLETED, ended_at=NOW + 1))
    assert jobs.running(conn) == [JOB]


def test_a_key_of_any_bytes_is_a_key(conn):
    odd = Job("job-2", ("path:\udcff",), "x", NOW)
    jobs.save(conn, odd)
    assert jobs.get(conn, "job-2") == odd


def test_a_curve_is_replaced_whole_and_knows_infinity(conn):
    jobs.save(conn, JOB)
    jobs.save_curve(conn, "job-1", [Point(1, NOW)])
    points = [Point(1, NOW, 0.5, 2.0), Point(2, NOW + 1, math.inf)]
    jobs.save_curve(conn, "job-1", points)
    assert jobs.curve(conn, "job-1") == points
    assert jobs.curve(conn, "unknown") == []


# --- ledgers, channels, decisions, silences, meta ------------------------------------------------------------------


def test_ledgers_come_back_by_fingerprint_and_channel(conn):
    told = Ledger("fp", "ops", "a1", True, NOW, NotificationKind.FIRED, Severity.CRITICAL, NOW, "ref")
    ledger.save(conn, told)
    ledger.save(conn, Ledger("fp", "mail"))
    ledger.save(conn, Ledger("other", "ops"))
    assert ledger.load(conn, ["fp"]) == {("fp", "ops"): told, ("fp", "mail"): Ledger("fp", "mail")}
    ledger.save(conn, changed := Ledger("fp", "ops", "a2"))
    assert ledger.load(conn, ["fp"])["fp", "ops"] == changed
    assert ledger.load(conn, []) == {}


def test_more_fingerprints_than_sql_has_variables_are_no_trouble(conn):
    ledger.save(conn, Ledger("fp-39999", "ops"))
    assert list(ledger.load(conn, [f"fp-{number}" for number in range(40_000)])) == [("fp-39999", "ops")]


def test_the_state_of_a_channel_is_one_row(conn):
    ledger.save_channel_state(conn, ChannelState("ops", failures=1))
    paused = ChannelState("ops", NOW, "circuit", "HTTP 503", 5, NOW - 9, NOW - 99, NOW - 1, 12)
    ledger.save_channel_state(conn, paused)
    assert ledger.channel_states(conn) == {"ops": paused}


def test_decisions_are_kept_in_order(conn):
    alerts.save(conn, alert())
    alerts.save(conn, alert("a2"))
    first, second = decision(), decision(stage="cooldown", verdict="suppress", reason="x", until=NOW + 9, channel=None)
    other = decision("a2", at=NOW + 5)
    decisions.record(conn, [first, second, other])
    assert decisions.of_alert(conn, "a1") == [first, second]
    assert decisions.between(conn, NOW, NOW + 5) == [first, second]
    assert decisions.between(conn, NOW + 5, NOW + 6) == [other]


def test_a_silence_ends_once(conn):
    silence = Silence("s1", NOW, NOW + 100, "ada", "bytes \udcff", "a1", {"node": "n*"})
    silences.add(conn, silence)
    assert silences.end(conn, "s1", NOW + 10)
    assert not silences.end(conn, "s1", NOW + 20)
    assert not silences.end(conn, "none", NOW)
    assert silences.load(conn) == [Silence("s1", NOW, NOW + 10, "ada", "bytes \\udcff", "a1", {"node": "n*"})]


def test_a_silence_that_is_ended_before_it_begins_is_never_active(conn):
    silences.add(conn, Silence("s1", NOW + 50, NOW + 100, "ada", ""))
    assert silences.end(conn, "s1", NOW)
    assert not any(silences.load(conn)[0].active(at) for at in (NOW, NOW + 50, NOW + 99))


def test_meta_is_read_by_key_and_by_prefix(conn):
    meta.put(conn, "rule:a", {"x": 1})
    meta.put(conn, "rule:b", None)
    meta.put(conn, "rules", 1)
    meta.put(conn, "rule:a", [2])
    assert meta.with_prefix(conn, "rule:") == {"rule:a": [2], "rule:b": None}
    assert meta.delete(conn, "rule:a")
    assert not meta.delete(conn, "rule:a")
    assert (meta.get(conn, "rule:a"), meta.get(conn, "rules")) == (None, 1)


def test_the_columns_of_a_delivery_are_its_fields(conn):
    columns = {name for _, name, *_ in conn.execute("PRAGMA table_info(delivery)")}
    assert set(Delivery.__dataclass_fields__) <= columns
