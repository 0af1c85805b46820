"""What explains what, where the labels alone do not say so."""

import pytest

from agent.core.model import Alert, AlertType, Severity, Status
from agent.core.policy.inhibition import Sources

STALL = AlertType.TIMEOUT_WARNING


def alert(name, kind, severity=Severity.WARNING, status=Status.FIRING, **values):
    return Alert(name, kind, f"mark of {name}", status, severity, name, "", 0, **values)


def lost(status=Status.FIRING, **values):
    gpu = {"index": 3, "uuid": "GPU-3"}
    labels = {"gpu_uuid": "GPU-3", "rule": "gpu_lost"}
    return alert("lost", AlertType.GPU_ERROR, Severity.CRITICAL, status, **{"gpu": gpu, "labels": labels, **values})


@pytest.mark.parametrize(
    ("gpus", "source", "explained"),
    [
        ([2, 3], lost(), True),
        ([2], lost(), False),
        (None, lost(), False),
        ([3], lost(status=Status.RESOLVED), False),
        ([3], lost(gpu=None), False),
        ([3], lost(labels={"gpu_uuid": "GPU-3", "rule": "temperature"}), False),
    ],
)
def test_a_lost_gpu_explains_the_stalls_of_jobs_that_hold_it(gpus, source, explained):
    stall = alert("stall", STALL, job={"id": "a", "gpus": gpus}, job_id="a")
    assert Sources([stall, source]).explaining(stall) == (source if explained else None)


def test_a_stall_explains_no_other_stall_on_the_same_gpu():
    one, other = (alert(name, STALL, job={"id": name, "gpus": [3]}, job_id=name) for name in ("a", "b"))
    assert Sources([one, other]).explaining(one) is None


@pytest.mark.parametrize("rule", ["driver_unresponsive", "driver_lost", "gpus_gone"])
@pytest.mark.parametrize(("gpus", "explained"), [([2, 3], True), ([], False), (None, False)])
def test_a_driver_that_is_gone_explains_the_stalls_of_jobs_that_hold_gpus(rule, gpus, explained):
    stall = alert("stall", STALL, job={"id": "a", "gpus": gpus}, job_id="a")
    gone = alert("gone", AlertType.GPU_ERROR, Severity.CRITICAL, labels={"rule": rule})
    assert Sources([stall, gone]).explaining(stall) == (gone if explained else None)


@pytest.mark.parametrize(
    ("labels", "component", "explained"),
    [
        ({"channel": "ops", "rule": "unreachable"}, "network", True),
        ({"channel": "ops"}, "network", False),
        ({"channel": "ops", "rule": "unreachable"}, "disk", False),
    ],
)
def test_a_network_that_is_down_explains_the_channels_that_nobody_answers_on(labels, component, explained):
    failing = alert("failing", AlertType.CHANNEL_FAILING, labels=labels)
    down = alert("down", AlertType.AGENT_DEGRADED, labels={"component": component})
    assert Sources([failing, down]).explaining(failing) == (down if explained else None)
