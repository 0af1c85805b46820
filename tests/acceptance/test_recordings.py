"""What real training programs wrote, read once they have ended and live, under a clock that runs as fast as it can.

What is right stands in tests/recordings/truth.jsonl, written by hand; tests/recordings/README.md says how they were
made.
"""

import pytest

from agent import finished
from agent.core.model import Severity
from tests.support.livelog import LiveLog
from tests.support.recordings import recordings

RECORDINGS = recordings()
ENDS = {"completed": "job_completed", "failed": "job_failed", "cancelled": "job_cancelled"}
CAUSES = {"gpu_oom", "host_oom"}
SETTLED = 90
"""Seconds after which everything about a log that rests must have been told: the survival wait and a little more."""


@pytest.fixture(scope="module")
def rules():
    return finished.builtin_rules()


@pytest.fixture(params=RECORDINGS, ids=lambda item: item.name)
def recording(request):
    return request.param


@pytest.fixture
def log(nodes, tmp_path):
    path = tmp_path / "train.log"
    path.touch()
    return LiveLog(nodes(), path)


def test_read_once_it_has_ended(recording, rules, tmp_path):
    truth, path = recording.truth, tmp_path / "train.log"
    path.write_bytes(recording.last)
    found = finished.scan(rules, str(path))
    verdict = [found.summary["outcome"], found.summary["reason"]]
    assert verdict in [[truth["outcome"], truth["reason"]], *truth.get("either", [])]
    shown = {name: found.summary[name] for name in ("step", "total_steps", "loss")}
    assert shown == {"step": truth["step"], "total_steps": truth["total"], "loss": truth["loss"]}
    if verdict[1] is None:
        assert [item for item in found.findings if item["severity"] != "info"] == []


def test_followed_with_its_process(recording, log):
    log.start()
    recording.replay(log.node, log.path)
    log.end(recording.exit_code, recording.signal)
    log.node.run(10)
    state, reason = recording.truth["ended"]
    end, loud = _told(log.node)
    assert end == (ENDS[state], state, reason)
    assert loud == _loud(state, reason, recording.truth)


def test_followed_by_its_log_alone(recording, log):
    recording.replay(log.node, log.path)
    log.node.run(SETTLED)
    truth, (end, loud) = recording.truth, _told(log.node)
    verdicts = truth.get("alone") or [[truth["outcome"], truth["reason"]], *truth.get("either", [])]
    ends = [(ENDS.get(state), state, reason) for state, reason in verdicts]
    if end is None:
        # a log that merely rests says nothing, and a job of which no step was seen cannot be told from a shell's error
        assert any(state in {"unknown", "completed"} for state, _ in verdicts) or truth["step"] is None
        assert loud <= set(truth.get("alerts", ()))
    else:
        assert end in ends
        assert loud in [_loud(state, reason, truth) for state, reason in verdicts]


def _loud(state, reason, truth):
    """The types of alert above info that are right for this end."""
    loud = set(truth.get("alerts", ()))
    if state == "failed":
        loud.add("job_failed")
        loud.update({reason} & CAUSES)
    return loud


def _told(node):
    """How the job ended, as (type, state, reason), and the types of alert above info."""
    alerts = [node.alert(row[0]) for row in node.alerts()]
    ends = [(str(item.type), item.job["state"], item.job["reason"]) for item in alerts if item.type in ENDS.values()]
    assert len(ends) <= 1
    return (ends[0] if ends else None), {str(item.type) for item in alerts if item.severity is not Severity.INFO}
