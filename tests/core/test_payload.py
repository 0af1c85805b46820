import json
from dataclasses import replace

import pytest

from agent.core.facts import Progress
from agent.core.job import Exit, HeldGpu, Job, JobState
from agent.core.model import Alert, AlertType, Link, NotificationKind, Severity, Status
from agent.core.payload import JOB_KEYS, data, finite, job_snapshot, payload, rfc3339

AT = 1_790_000_000_123
JOB = Job(
    id="job-0123456789ab", keys=("log:/runs/a.log",), name="bert-large", started_at=AT - 7_500_000,
    state=JobState.FAILED, reason="gpu_oom", ended_at=AT, error="torch.OutOfMemoryError: CUDA out of memory.",
    progress=Progress(step=4200, total=5000, epoch=2.5, loss=0.25, throughput=3.1, framework="transformers"),
    exit=Exit(AT, 137, "SIGKILL"),
)  # fmt: skip
ALERT = Alert(
    id="alert-1", type=AlertType.JOB_FAILED, fingerprint="f" * 32, status=Status.EVENT, severity=Severity.CRITICAL,
    title="Training failed", message="bert-large ran out of GPU memory.", starts_at=AT,
    labels={"node": "n1", "job": JOB.id}, job=job_snapshot(JOB, AT), evidence=("CUDA out of memory",),
    advice="Lower the batch size.", links=(Link("View details", "https://runs.example/1"),), job_id=JOB.id,
)  # fmt: skip


def test_the_whole_body_of_a_failed_job():
    assert payload(ALERT, kind=NotificationKind.FIRED, reason="first notification", sent_at=AT + 60_000) == {
        "type": "job_failed",
        "timestamp": "2026-09-21T14:13:20.123Z",
        "data": {
            "id": "alert-1", "status": "event", "severity": "critical", "notification_reason": "first notification",
            "title": "Training failed", "message": "bert-large ran out of GPU memory.", "node": "n1",
            "labels": {"node": "n1", "job": "job-0123456789ab"}, "fingerprint": "f" * 32,
            "starts_at": "2026-09-21T14:13:20.123Z", "ends_at": None,
            "job": {
                "id": "job-0123456789ab", "attempt": 1, "name": "bert-large", "model": None,
                "framework": "transformers", "state": "failed", "reason": "gpu_oom", "verified": True,
                "error": "torch.OutOfMemoryError: CUDA out of memory.", "started_at": "2026-09-21T12:08:20.123Z",
                "duration_seconds": 7500.0, "step": 4200, "total_steps": 5000, "epoch": 2.5, "loss": 0.25,
                "exit_code": 137, "signal": "SIGKILL", "gpus": None, "user": None,
            },
            "gpu": None, "disk": None, "evidence": ["CUDA out of memory"], "advice": "Lower the batch size.",
            "links": [{"text": "View details", "url": "https://runs.example/1"}], "test": False,
        },
    }  # fmt: skip


def test_keys_that_are_not_known_are_null_never_absent():
    job = {"id": "job-1", "no key of the contract": "x"}
    alert = replace(ALERT, job=job, gpu={}, disk={"mountpoint": "/data"}, labels={}, title="")
    body = data(alert, reason="test")
    assert list(body["job"]) == list(JOB_KEYS)
    assert {key for key, value in body["job"].items() if value is not None} == {"id"}
    assert body["gpu"] == {"index": None, "uuid": None, "name": None}
    assert body["disk"] == {"mountpoint": "/data", "used_percent": None, "free_bytes": None, "full_in_seconds": None}
    assert body["node"] is None
    assert body["title"] == "Training failed"


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_is_null(loss):
    snapshot = job_snapshot(replace(JOB, progress=replace(JOB.progress, loss=loss)), AT)
    assert snapshot["loss"] is None
    body = data(replace(ALERT, job={**snapshot, "loss": loss, "gpus": [{"used": loss}]}), reason="x")
    assert body["job"]["gpus"] == [{"used": None}]
    json.dumps(body, allow_nan=False)


def test_zero_stays_zero():
    snapshot = job_snapshot(replace(JOB, progress=Progress(step=0, total=0, epoch=0.0, loss=0.0)), AT)
    assert [snapshot[key] for key in ("step", "total_steps", "epoch", "loss")] == [0, 0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "ends_at", "told"),
    [
        (NotificationKind.FIRED, None, AT),
        (NotificationKind.RESOLVED, AT + 5_000, AT + 5_000),
        (NotificationKind.REPEATED, None, AT + 9_000),
        (NotificationKind.TEST, None, AT + 9_000),
    ],
)
def test_the_timestamp_is_when_it_happened(kind, ends_at, told):
    body = payload(replace(ALERT, ends_at=ends_at), kind=kind, reason="", sent_at=AT + 9_000)
    assert body["timestamp"] == rfc3339(told)


@pytest.mark.parametrize(
    ("alert", "kind"), [(replace(ALERT, test=True), NotificationKind.FIRED), (ALERT, NotificationKind.TEST)]
)
def test_a_test_says_so(alert, kind):
    assert payload(alert, kind=kind, reason="test", sent_at=AT)["data"]["test"] is True


def test_a_running_job_lasts_until_now():
    held = (HeldGpu(0, "GPU-a", "H100"), HeldGpu(1, "GPU-b", "H100"))
    running = replace(JOB, state=JobState.RUNNING, ended_at=None, exit=None, held=held)
    snapshot = job_snapshot(replace(running, user="alice"), AT + 1_000)
    assert snapshot["duration_seconds"] == 7501.0
    assert snapshot["exit_code"] is snapshot["signal"] is None
    assert (snapshot["gpus"], snapshot["user"]) == ([0, 1], "alice")


def test_a_clock_set_back_makes_no_negative_duration():
    assert job_snapshot(JOB, AT)["duration_seconds"] >= 0
    assert job_snapshot(replace(JOB, ended_at=JOB.started_at - 5_000), AT)["duration_seconds"] == 0


def test_times_are_utc_with_milliseconds():
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(AT) == "2026-09-21T14:13:20.123Z"


def test_finite_leaves_other_values_alone():
    assert finite({"a": (1, 2.5, "x", None, True)}) == {"a": [1, 2.5, "x", None, True]}
