"""What real training programs wrote, read once they have ended and live, under a clock that runs as fast as it can.

What is right stands in tests/recordings/truth.jsonl, written by hand; tests/recordings/README.md says how they were
made.
"""

import tomllib
from operator import attrgetter

import pytest

from agent import finished
from agent.core.model import Severity
from agent.sources.logs import watcher
from tests.support.livelog import LiveLog
from tests.support.recordings import FOLDER, recordings

RECORDINGS = recordings()
ENDED = [item for item in RECORDINGS if item.truth["ended"] is not None]
HEALTHY = [item for item in ENDED if item.truth["ended"] == ["completed", None] and not item.truth.get("alerts")]
ALIVE = [item for item in RECORDINGS if item.exit_code is None]
NAME = attrgetter("name")
ENDS = {"completed": "job_completed", "failed": "job_failed", "cancelled": "job_cancelled"}
END_TYPES = set(ENDS.values())
CAUSES = {"gpu_oom": "gpu_oom", "host_oom": "host_oom", "stall": "timeout_warning"}
SETTLED = 90
"""Seconds after which everything about a log that rests must have been told: the survival wait and a little more."""
SLOW = 20
"""How many times slower the tiny models of the recordings are made: a step then takes seconds."""
STALLED = 40 * 60
"""Seconds after which a program that lives on and says nothing must have been told of."""


@pytest.fixture(scope="module")
def rules():
    return finished.builtin_rules()


@pytest.fixture
def log(nodes, tmp_path, rules, monkeypatch):
    monkeypatch.setattr(watcher, "rules", lambda *_, **__: rules)  # to compile them takes longer than all the rest
    path = tmp_path / "train.log"
    path.touch()
    return LiveLog(nodes(), path)


def test_what_every_scenario_left_is_kept_and_judged():
    made = tomllib.loads((FOLDER / "scenarios.toml").read_text(encoding="utf-8"))["scenario"]
    names = {".".join((item["name"], *suffix)) for item in made for suffix in ((), *zip(item.get("files", ())))}
    assert names == {item.name for item in RECORDINGS}


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAME)
def test_read_once_it_has_ended(recording, rules, tmp_path):
    truth, path = recording.truth, tmp_path / "train.log"
    path.write_bytes(recording.last)
    found = finished.scan(rules, str(path))
    verdict = [found.summary["outcome"], found.summary["reason"]]
    assert verdict in [[truth["outcome"], truth["reason"]], *truth.get("either", [])]
    shown = [found.summary[name] for name in ("step", "total_steps", "loss")]
    assert shown in [[truth["step"], truth["total"], truth["loss"]], *truth.get("shown", [])]
    if verdict[1] is None:
        assert [item for item in found.findings if item["severity"] != "info"] == []


@pytest.mark.parametrize("recording", ENDED, ids=NAME)
@pytest.mark.parametrize("restarted", [False, True], ids=["", "over-a-restart"])
def test_followed_with_its_process(recording, restarted, log):
    log.start()
    recording.replay(log.node, log.path, halfway=log.node.restart if restarted else lambda: None)
    log.end(recording.exit_code, recording.signal)
    log.node.run(10)
    truth, (end, loud) = recording.truth, _told(log.node)
    rights = [truth["ended"], *(right for right in truth.get("either", []) if right[0] == truth["ended"][0])]
    assert (end, loud) in [((ENDS[state], state, reason), _loud(state, reason, truth)) for state, reason in rights]


@pytest.mark.parametrize("recording", ALIVE, ids=NAME)
def test_followed_while_its_process_lives_on(recording, log):
    log.start()
    recording.replay(log.node, log.path)
    log.node.run(STALLED, step=30)
    assert _told(log.node) == (None, set(recording.truth["alive"]))


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAME)
def test_followed_by_its_log_alone(recording, log):
    recording.replay(log.node, log.path)
    log.node.run(SETTLED)
    truth, (end, loud) = recording.truth, _told(log.node)
    verdicts = truth.get("alone") or [[truth["outcome"], truth["reason"]], *truth.get("either", [])]
    if end is None:
        assert any(_may_rest(state, reason, truth) for state, reason in verdicts)
        assert loud <= set(truth.get("alerts", ()))
    else:
        rights = [((ENDS.get(state), state, reason), _loud(state, reason, truth)) for state, reason in verdicts]
        assert (end, loud) in rights


@pytest.mark.parametrize("recording", HEALTHY, ids=NAME)
def test_a_healthy_program_that_is_slow_alarms_nobody(recording, log):
    log.start()
    recording.replay(log.node, log.path, slower=SLOW)
    log.end(recording.exit_code, recording.signal)
    log.node.run(10)
    assert _told(log.node) == (("job_completed", "completed", None), set())


def _may_rest(state, reason, truth):
    """Whether nothing need be said of a log that has this verdict: there is no last word, or no step was ever seen."""
    return state in {"unknown", "completed"} or reason == "nan_loss" or truth["step"] is None


def _loud(state, reason, truth):
    """The types of alert above info that are right for this end."""
    loud = set(truth.get("alerts", ()))
    if state == "failed":
        loud.add("job_failed")
        loud |= {CAUSES[reason]} if reason in CAUSES else set()
    return loud


def _told(node):
    """How the job ended, as (type, state, reason), and the types of alert above info."""
    alerts = [node.alert(row[0]) for row in node.alerts()]
    ends = [item for item in alerts if item.type in END_TYPES]
    (end,) = [(str(item.type), item.job["state"], item.job["reason"]) for item in ends] or [None]
    loud = {str(item.type) for item in alerts if item.severity is not Severity.INFO}
    if end is None or end[2] == "nan_loss":
        loud.discard("loss_anomaly")  # the failure may tell of it, or the loss alone may
    return end, loud
