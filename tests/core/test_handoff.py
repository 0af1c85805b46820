"""What is handed in: taken, cleaned and cut, or refused with what was expected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import handoff
from agent.core.facts import HandedIn, ProcessEnded, ProcessStarted
from agent.core.handoff import MAX_BYTES, BadHandoff
from agent.core.model import TYPES, AlertType, Severity, Status

UID = 1000
PROCESS = {"boot_id": "b-1", "pid": 7, "start_ticks": 99}
STARTED = {"kind": "ProcessStarted", **PROCESS, "started_at": 5, "name": "run", "command": "train.py"}
ENDED = {"kind": "ProcessEnded", **PROCESS, "ended_at": 6}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


def parse(body):
    return handoff.parse(json.dumps(body).encode(), UID, "x.json")


def refusal(body):
    with pytest.raises(BadHandoff) as caught:
        parse(body)
    return str(caught.value)


@pytest.mark.parametrize(
    "fact",
    [
        HandedIn(AlertType.JOB_FAILED, Status.EVENT, Severity.CRITICAL, uid=UID),
        HandedIn(
            AlertType.DISK_WARNING, Status.RESOLVED, Severity.INFO, "Disk", "two\nlines", {"id": "j"}, {"a": "b"},
            {"c": "d"}, UID,
        ),
        ProcessStarted("b", 7, 99, 5, "run", "train.py", "/tmp/ü \udcff.log", 4, 6, 4026531836, UID),
        ProcessEnded("b", 7, 99, 5, 137, "SIGKILL", reported=True, uid=UID),
        ProcessEnded("b", 7, 99, 5, uid=UID),
    ],
)
def test_what_is_written_is_read_back_with_its_owner(fact):
    data = handoff.write(fact)
    assert b"uid" not in data
    assert handoff.parse(data, UID, "x.json") == fact


@pytest.mark.parametrize("kind", [kind for kind in AlertType if kind not in handoff.OWN_TYPES])
def test_status_and_severity_follow_from_the_type(kind):
    fact = handoff.handed_in({"type": kind})
    assert fact.severity is TYPES[kind].severity
    assert fact.status is (Status.FIRING if TYPES[kind].condition else Status.EVENT)


def test_a_body_without_kind_is_an_event():
    assert parse({"type": "gpu_oom", "severity": "warning"}).severity is Severity.WARNING


def test_null_counts_as_absent():
    fact = parse({"type": "job_failed", "title": None, "job": {"id": "4711", "loss": None}, "labels": None})
    assert (fact.title, fact.job, fact.labels) == (None, {"id": "4711"}, {})


def test_every_key_of_the_contracts_job_is_taken():
    job = {
        "id": "4711", "attempt": 2, "name": "llm", "model": "m", "framework": "hf", "state": "failed", "reason": "exit",
        "verified": False, "error": "ValueError: x", "started_at": "2026-03-28T02:14:00Z", "duration_seconds": 1.5,
        "step": 10, "total_steps": 20, "epoch": 0.5, "loss": -2, "exit_code": 1, "signal": "SIGTERM",
        "gpus": [0, "GPU-1"], "user": "u",
    }  # fmt: skip
    assert parse({"type": "job_failed", "job": job}).job == job


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "type: missing, expected a value"),
        ({"type": "daily_summary"}, 'type: found "daily_summary", expected one of job_started, '),
        ({"type": "weekly_digest"}, 'type: found "weekly_digest"'),
        ({"type": "job_fialed"}, 'type: found "job_fialed"'),
        ({"type": ["job_failed"]}, "type: found a list"),
        ({"type": "job_failed", "status": "firing"}, "status: found firing for job_failed, expected event"),
        ({"type": "gpu_error", "status": "event"}, "status: found event for gpu_error, expected firing or resolved"),
        ({"type": "job_failed", "status": "open"}, 'status: found "open", expected one of event, firing, resolved'),
        ({"type": "job_failed", "severity": "bad"}, 'severity: found "bad", expected one of info, warning, critical'),
        ({"type": "job_failed", "severity": 3}, "severity: found 3"),
        ({"type": "job_failed", "titel": "x"}, "titel: unknown key, expected one of type, status, job"),
        ({"type": "job_failed", "title": 5}, "title: found 5, expected a text"),
        ({"type": "job_failed", "job": "4711"}, 'job: found "4711", expected a JSON object'),
        ({"type": "job_failed", "job": {"id": ""}}, 'job.id: found "", expected 1 to 500 printable characters'),
        ({"type": "job_failed", "job": {"id": "a\nb"}}, "job.id: found"),
        ({"type": "job_failed", "job": {"attempt": 0}}, "job.attempt: found 0, expected a whole number from 1"),
        ({"type": "job_failed", "job": {"attempt": True}}, "job.attempt: found true"),
        ({"type": "job_failed", "job": {"step": 1.5}}, "job.step: found 1.5"),
        ({"type": "job_failed", "job": {"loss": "low"}}, 'job.loss: found "low", expected a finite number'),
        ({"type": "job_failed", "job": {"loss": 10**400}}, "job.loss: found 1000"),
        ({"type": "job_failed", "job": {"state": "dead"}}, "job.state: found"),
        ({"type": "job_failed", "job": {"verified": 1}}, "job.verified: found 1, expected true or false"),
        ({"type": "job_failed", "job": {"started_at": "today"}}, "job.started_at: found"),
        ({"type": "job_failed", "job": {"started_at": "2026-03-28T02:14:00"}}, "with its zone"),
        ({"type": "job_failed", "job": {"gpus": 4}}, "job.gpus: found 4, expected a list of at most 32 GPUs"),
        ({"type": "job_failed", "job": {"gpus": [True]}}, "job.gpus[0]: found true"),
        ({"type": "job_failed", "job": {"colour": 1}}, "job.colour: unknown key"),
        ({"type": "job_failed", "labels": {"a-b": "c"}}, 'labels: the name "a-b", expected letters'),
        ({"type": "job_failed", "labels": {"a": 1}}, "labels.a: found 1, expected a text"),
        ({"type": "job_failed", "fields": {f"f{n}": "" for n in range(33)}}, "fields: 33 entries, expected at most 32"),
        ({"kind": "LogFinding"}, 'kind: found "LogFinding", expected HandedIn, ProcessStarted or ProcessEnded'),
        ({"kind": {}}, "kind: found an object"),
        ({**STARTED, "pid": 0}, "pid: found 0"),
        ({**STARTED, "pid": None}, "pid: missing"),
        ({**STARTED, "uid": 0}, "uid: unknown key"),
        ({**STARTED, "log": "run.log"}, 'log: found "run.log", expected an absolute path'),
        ({**ENDED, "exit_code": 256}, "exit_code: found 256, expected a whole number from 0 to 255"),
        ({**ENDED, "ended_at": None}, "ended_at: missing"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_what_was_expected(body, message):
    assert message in refusal(body)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.json: no JSON"),
        (b"[]", "x.json: found a list, expected a JSON object"),
        (b"\xff", "x.json: no JSON"),
        (b'{"type": NaN}', "NaN is no JSON number"),
        (b"[" * 60_000, "x.json: nested too deeply"),
        (b" " * (MAX_BYTES + 1), "x.json: too large, expected at most 65536 bytes"),
        (b'{"type":' + b"9" * 5000 + b"}", "x.json: no JSON"),
    ],
)
def test_what_is_no_object_is_refused(data, message):
    with pytest.raises(BadHandoff) as caught:
        handoff.parse(data, UID, "x.json")
    assert message in str(caught.value)


def test_texts_are_cleaned_and_cut_rather_than_refused():
    fact = parse({
        "type": "job_failed", "title": "a\x1b[31m\nb" + "x" * 300, "message": "m\x00\n" * 5000,
        "labels": {"rack": "r" * 600}, "fields": {"note": "\ud800"},
    })
    assert fact.title.startswith("a bx")
    assert (len(fact.title), len(fact.message), len(fact.labels["rack"])) == (200, 4000, 500)
    assert "\x00" not in fact.message
    assert fact.fields == {"note": "\ufffd"}


def test_a_hand_in_that_no_spool_would_take_is_refused_when_written():
    fact = HandedIn(AlertType.JOB_FAILED, Status.EVENT, Severity.INFO, message="ü" * MAX_BYTES)
    with pytest.raises(BadHandoff, match=r"the event: .* bytes, expected at most 65536"):
        handoff.write(fact)


def taken(data):
    """The fact, or None if the data is refused; any other error is one of ours."""
    try:
        return handoff.parse(data, UID, "x.json")
    except BadHandoff:
        return None


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_handed_in_causes_any_other_error(data):
    assert taken(data) is None or b"type" in data


@given(st.dictionaries(st.sampled_from([*STARTED, *ENDED, "type", "job", "labels", "status"]), JSON))
def test_no_value_under_a_known_key_causes_any_other_error(found):
    for body in (found, {**STARTED, **found}, {**ENDED, **found}, {"type": "job_failed", "job": found}):
        fact = taken(json.dumps(body).encode())
        assert fact is None or fact.uid == UID
