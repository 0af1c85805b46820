"""Messages and channels for tests: one ordinary failure, one hostile one, and how to build each channel."""

import importlib
from dataclasses import replace
from datetime import UTC

from agent.channels.shared.base import Tools
from agent.channels.shared.http import Client, HttpSettings
from agent.core.chart import Chart, Series
from agent.core.digest import Digest, compose_digest
from agent.core.message import compose
from agent.core.model import Alert, AlertType, Hold, Link, NotificationKind, Severity, Status
from agent.core.redact import Redactor
from agent.runtime.clock import SystemClock
from tests.support.clock import START, ManualClock

JOB = {
    "id": "job-0123456789ab", "attempt": 1, "name": "bert-large", "model": "bert-large", "framework": "transformers",
    "state": "failed", "reason": "gpu_oom", "verified": True, "error": "torch.OutOfMemoryError: CUDA out of memory.",
    "started_at": "2026-09-21T12:08:20.000Z", "duration_seconds": 7500.0, "step": 4200, "total_steps": 5000,
    "epoch": 2.5, "loss": 0.0213, "exit_code": 1, "signal": None, "gpus": [0, 1], "user": None,
}  # fmt: skip
FAILED = Alert(
    id="alert-1", type=AlertType.JOB_FAILED, fingerprint="f" * 32, status=Status.EVENT, severity=Severity.CRITICAL,
    title="Training failed", message="bert-large ran out of GPU memory at step 4200 of 5000.", starts_at=START,
    labels={"job": "job-0123456789ab"}, job=JOB, job_id="job-0123456789ab",
    evidence=("Traceback (most recent call last):", "torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost"),
    advice="Lower the batch size.", links=(Link("Run page", "https://runs.example/1?a=1&b=2"),),
)  # fmt: skip
RESOLVED = replace(
    FAILED, type=AlertType.DISK_WARNING, status=Status.RESOLVED, severity=Severity.WARNING, ends_at=START + 60_000,
    title="Disk 92 % full: /data", message="", job=None, job_id=None, evidence=(), advice=None, links=(),
)  # fmt: skip

PASSWORD = "correct-horse-battery"
"""Stands in the hostile log and is known to the redactor."""
STRANGER = "hf_" + "a1" * 16
"""Somebody else's token, known only by its shape."""
FORBIDDEN_CHARACTERS = "\x00\x07\x1b\x7f\x9b\u202e\u2066\ud800\udfff"

_NASTY = (
    f"@everyone @here <!channel> <!here> <@U012AB3CD> <#C1> <script>alert(1)</script> &amp &am &lt ``` ` *b* _i_ ~s~ "
    f"[x](http://evil.example) {PASSWORD} {STRANGER} {FORBIDDEN_CHARACTERS} \x1b[31mred\x1b[ 损失 📉 "
)
HOSTILE_LINE = _NASTY * (100_000 // len(_NASTY) + 1)
"""A 100 KB log line that holds everything a channel must neutralise."""
HOSTILE = replace(
    FAILED, title=HOSTILE_LINE, message=HOSTILE_LINE, evidence=(HOSTILE_LINE,) * 30, advice=HOSTILE_LINE,
    job={**JOB, "name": HOSTILE_LINE, "model": HOSTILE_LINE, "error": HOSTILE_LINE},
    fields={HOSTILE_LINE: HOSTILE_LINE, "x": HOSTILE_LINE}, labels={"job": HOSTILE_LINE},
    links=(Link(HOSTILE_LINE, "https://runs.example/" + "x" * 1_500),) * 9,
)  # fmt: skip


NASTY = replace(
    FAILED, title=_NASTY, message=_NASTY, evidence=(_NASTY,) * 30, advice=_NASTY, fields={_NASTY: _NASTY},
    job={**JOB, "name": _NASTY, "error": _NASTY}, labels={"job": _NASTY},
)  # fmt: skip
"""The same, at a length that thirty of them can be cleaned quickly."""


CHART = Chart(
    "Memory of GPU 0", "minutes before the error", "GiB",
    (Series("pid 7 python3 (this job)", ((-10.0, 20.0), (-5.0, 40.0), (0.0, 79.0))),), event=0.0, limit=80.0,
)  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\r\n--\r\n.\r\n"
"""Begins like a picture, and holds what could end a part of a form or of a mail."""


def message(alert=FAILED, kind=NotificationKind.FIRED, **changes):
    given = {
        "now": START + 1_000, "reason": "first notification", "node": "node-1", "clock_zone": UTC,
        "redactor": Redactor([PASSWORD]),
    }  # fmt: skip
    return compose(alert, kind, **(given | changes))


def digest_message(*alerts, **changes):
    """What was held in quiet hours, told together an hour later."""
    alerts = alerts or (FAILED, replace(RESOLVED, id="alert-2"))
    digest = Digest("dlv_0123456789abcdef", alerts, Hold.QUIET_HOURS, START, START + 3_600_000)
    given = {
        "now": START + 3_600_000, "reason": "digest", "node": "node-1", "clock_zone": UTC,
        "redactor": Redactor([PASSWORD]),
    }  # fmt: skip
    return compose_digest(digest, **(given | changes))


def channel(table, *, secrets=(), written=None, http=None, clock=None, draw=lambda chart: None):
    """Build a channel from its table as the agent does, on the real network and a clock that stands still."""
    module = importlib.import_module(f"agent.channels.{table['type']}")
    clock = clock or ManualClock()
    client = http or Client(HttpSettings(user_agent="gpuwarden/test"), SystemClock())
    write = written.append if written is not None else unexpected
    tools = Tools(lambda: client, clock, Redactor(secrets), write, draw)
    return module.Channel("ops", module.Config.model_validate(table), tools)


def unexpected(text):
    raise AssertionError(f"nothing was to be printed, but this was: {text}")
