from dataclasses import replace
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.core.message import compose, fallback
from agent.core.model import Alert, AlertType, Link, NotificationKind, Severity, Status
from agent.core.presentable import presentable
from agent.core.redact import Redactor
from agent.core.references import References

MINUTE, HOUR = 60_000, 3_600_000
AT = 1_774_663_200_000 + 14 * MINUTE  # 2026-03-28T02:14Z
JOB = {
    "id": "job-1", "name": "bert-large", "model": "bert-large", "state": "failed", "verified": True,
    "duration_seconds": 7_500.0, "loss": 0.0213456, "step": 4200, "total_steps": 5000, "gpus": [0, 1],
    "error": "torch.OutOfMemoryError: CUDA out of memory.",
}  # fmt: skip
FAILED = Alert(
    id="alert-1", type=AlertType.JOB_FAILED, fingerprint="f" * 32, status=Status.EVENT, severity=Severity.CRITICAL,
    title="Training failed", message="bert-large ran out of GPU memory.", starts_at=AT, job=JOB, job_id="job-1",
    evidence=("Traceback (most recent call last):", "CUDA out of memory"), advice="Lower the batch size.",
    links=(Link("View details", "https://runs.example/1"),), fields={"Run": "42"}, labels={"job": "job-1"},
)  # fmt: skip
DISK = replace(
    FAILED, type=AlertType.DISK_WARNING, status=Status.FIRING, severity=Severity.WARNING, title="Disk 92 % full: /data",
    message="", job=None, job_id=None, evidence=(), advice=None, links=(), fields={},
    disk={"mountpoint": "/data", "used_percent": 92.34, "free_bytes": 85e9, "full_in_seconds": 7_500},
)  # fmt: skip


def composed(alert=FAILED, kind=NotificationKind.FIRED, **changes):
    given = {"now": AT + 1_000, "reason": "first notification", "node": "n1", "redactor": Redactor()}
    return compose(alert, kind, **(given | changes))


def test_a_failed_job_is_told_in_the_contracts_order():
    message = composed()
    assert message.headline == "❌ Training failed"
    assert message.body == "bert-large ran out of GPU memory."
    assert message.facts == (
        ("Model", "bert-large"),
        ("Duration", "2h 05m"),
        ("Final loss", "0.02135"),
        ("Steps", "4200/5000"),
        ("Node", "n1"),
        ("GPUs", "0, 1"),
        ("Error", "torch.OutOfMemoryError: CUDA out of memory."),
        ("Run", "42"),
    )
    assert message.evidence == FAILED.evidence
    assert message.footer == "job-1 · n1"
    assert (message.severity, message.status, message.at) == (Severity.CRITICAL, Status.EVENT, AT + 1_000)


def test_what_is_not_known_is_not_told():
    message = composed(replace(FAILED, job={"name": "run-7", "state": "running", "loss": 0.5, "step": 0}, fields={}))
    assert message.facts == (("Job", "run-7"), ("Loss", "0.5"), ("Steps", "0"), ("Node", "n1"))


def test_a_disk_is_told_with_its_numbers():
    message = composed(DISK)
    assert message.headline == "💾 Disk 92 % full: /data"
    assert message.facts == (
        ("Node", "n1"), ("Mount", "/data"), ("Used", "92.3 %"), ("Free", "79.2 GiB"), ("Full in", "2h 05m")
    )  # fmt: skip
    assert message.footer == "alert-1 · n1"


def test_a_gpu_is_told_by_index_and_name():
    gpu = {"index": 3, "uuid": "GPU-1", "name": "H100"}
    message = composed(replace(DISK, type=AlertType.GPU_ERROR, disk=None, gpu=gpu))
    assert ("GPU", "3 · H100 · GPU-1") in message.facts


def test_an_alert_without_title_takes_its_types_headline():
    assert composed(replace(FAILED, title="")).title == "Training failed"


def test_a_resolved_alert_says_so():
    message = composed(replace(DISK, status=Status.RESOLVED, ends_at=AT + 48 * MINUTE), NotificationKind.RESOLVED,
                       now=AT + 48 * MINUTE)  # fmt: skip
    assert message.headline == "✅ Resolved: Disk 92 % full: /data"
    assert message.body == "Fired 02:14, resolved 03:02 (after 48m 00s)."


@pytest.mark.parametrize(
    ("alert", "kind", "late", "body"),
    [
        (DISK, NotificationKind.FIRED, 5 * MINUTE, ""),
        (DISK, NotificationKind.FIRED, 6 * MINUTE, "Fired 02:14, still firing after 6m 00s."),
        (DISK, NotificationKind.REPEATED, 12 * HOUR, "Fired 02:14, still firing after 12h 00m."),
        (DISK, NotificationKind.REPEATED, 24 * HOUR, "Fired 2026-03-28 02:14, still firing after 1d 00h."),
        (DISK, NotificationKind.ESCALATED, 0, "The severity rose to warning."),
        (DISK, NotificationKind.TEST, 24 * HOUR, "This is a test."),
        (replace(FAILED, message=""), NotificationKind.FIRED, 7 * HOUR, "Happened 02:14 (told late)."),
    ],
)
def test_a_late_message_says_when_it_happened(alert, kind, late, body):
    assert composed(alert, kind, now=AT + late).body == body


@pytest.mark.parametrize("kind", [NotificationKind.FIRED, NotificationKind.RESOLVED])
def test_a_pair_that_could_not_be_delivered_in_time_is_one_sentence(kind):
    alert = replace(DISK, status=Status.RESOLVED, ends_at=AT + 48 * MINUTE)
    message = composed(alert, kind, now=AT + 3 * HOUR)
    assert message.body == "Fired 02:14, resolved 03:02 (delivery was delayed)."


@pytest.mark.parametrize(
    ("zone", "told"),
    [(UTC, "02:14"), (ZoneInfo("Asia/Tokyo"), "11:14"), (timezone(timedelta(hours=-8)), "18:14")],
)
def test_times_of_day_are_the_users(zone, told):
    assert f"Fired {told}," in composed(DISK, now=AT + 6 * MINUTE, clock_zone=zone).body


def test_an_inferred_end_is_said_to_be_so_once():
    doubtful = replace(FAILED, job={**JOB, "verified": False})
    assert composed(doubtful).body.endswith("Unverified: the end was inferred.")
    told = composed(replace(doubtful, message="It ended. Unverified: nobody could learn the exit code."))
    assert told.body.count("nverified") == 1


def test_an_end_of_unknown_outcome_gets_no_tick():
    unknown = replace(FAILED, type=AlertType.JOB_COMPLETED, severity=Severity.WARNING)
    assert composed(unknown).emoji == "⚠️"
    assert composed(replace(unknown, severity=Severity.INFO)).emoji == "✅"


@pytest.mark.parametrize(
    ("changes", "footer"),
    [
        ({"uncertain": True}, "job-1 · n1 · may repeat"),
        ({"kind": NotificationKind.TEST}, "job-1 · n1 · test"),
        ({"kind": NotificationKind.TEST, "uncertain": True}, "job-1 · n1 · test · may repeat"),
        ({"alert": replace(FAILED, job_id=None)}, "alert-1 · n1"),
    ],
)
def test_the_footer_carries_ids_and_marks(changes, footer):
    assert composed(**changes).footer == footer


def test_evidence_is_the_tail_cleaned_and_bounded():
    last = ("\x1b[31mtoken=abcdefgh1234\x1b[0m", "/home/alice/x.py", "y" * 900)
    evidence = composed(replace(FAILED, evidence=(*(f"line {number}" for number in range(100)), *last))).evidence
    assert len("\n".join(evidence)) <= 2_000
    assert len(evidence) <= 21
    assert evidence[0] == "… (83 lines cut)"
    assert evidence[-3:-1] == ("token=***", "~/x.py")
    assert evidence[-1].endswith("… (cut)")
    assert len(evidence[-1]) == 500


def test_a_secret_over_several_lines_is_masked():
    key = ("before", "-----BEGIN PRIVATE KEY-----", "MIIEvQ", "-----END PRIVATE KEY-----", "after")
    assert composed(replace(FAILED, evidence=key)).evidence == ("before", "***", "after")


def test_no_secret_is_in_any_text_of_the_message():
    secret = "correct-horse"
    leaky = replace(
        FAILED, title=f"t {secret}", message=f"m {secret}", job={**JOB, "error": secret, "name": secret},
        evidence=(secret,), advice=secret, links=(Link(secret, "https://x.example"),), fields={secret: secret},
        labels={"l": secret}, gpu={"name": secret}, disk={"mountpoint": secret},
    )  # fmt: skip
    message = composed(leaky, redactor=Redactor([secret]))
    assert secret not in repr(message)
    assert "***" in message.title


def test_home_folders_are_cut_unless_paths_are_wanted():
    alert = replace(FAILED, message="wrote /home/alice/x", labels={"mountpoint": "/home/alice"})
    assert composed(alert).body == "wrote ~/x"
    assert composed(alert).alert.labels["mountpoint"] == "/home/alice"
    assert composed(alert, include_paths=True).body == "wrote /home/alice/x"


def test_links_that_are_no_web_addresses_are_left_out():
    links = tuple(Link("x", url) for url in ("javascript:alert(1)", "https://a b", "file:///x", "https://ok.example"))
    assert composed(replace(FAILED, links=links)).links == (Link("x", "https://ok.example"),)


def test_a_link_has_a_name_of_one_line():
    links = (Link(" \n", "https://ok.example"), Link("Run\npage", "https://ok.example"))
    assert [link.text for link in composed(replace(FAILED, links=links)).links] == ["https://ok.example", "Run page"]


def test_a_fact_that_says_nothing_is_left_out():
    assert "Run" not in dict(composed(replace(FAILED, fields={"Run": " \n "})).facts)


def test_the_plain_fallback_is_short():
    message = composed(replace(FAILED, evidence=("x" * 200,) * 30), plain=True)
    assert message.plain
    assert len("\n".join(message.evidence)) <= 500


def test_the_message_carries_the_alert_that_it_shows():
    message = composed(replace(FAILED, evidence=tuple("abc" * 20)), references=References(ref="ref-1"))
    assert message.alert.evidence == message.evidence
    assert message.alert.labels == {"node": "n1", "job": "job-1"}
    assert message.references.ref == "ref-1"


def test_an_endless_alert_becomes_bounded():
    alert = replace(
        FAILED, title="t" * 9_000, message="m" * 90_000, labels={str(number): "v" * 9_000 for number in range(900)},
        job={"error": "e" * 90_000, "gpus": list(range(900))}, advice="a" * 90_000,
    )  # fmt: skip
    shown = presentable(alert, Redactor())
    assert len(shown.title) == 200
    assert len(shown.message) == 2_000
    assert len(shown.labels) == 32
    assert {len(value) for value in shown.labels.values()} == {500}
    assert len(shown.job["error"]) == 500
    assert len(shown.job["gpus"]) == 32


def test_the_fallback_reads_nothing_that_could_be_odd():
    odd = replace(FAILED, title=None, message=object(), job=7, evidence=None, labels=None, links=None, fields=3)
    with pytest.raises((TypeError, AttributeError)):
        composed(odd)
    message = fallback(odd, NotificationKind.FIRED, now=AT, reason="first notification", node="n1", uncertain=True)
    assert message.headline == "❌ Training failed"
    assert "gpuwarden explain alert-1" in message.body
    assert message.footer == "job-1 · n1 · may repeat"
    assert message.plain
