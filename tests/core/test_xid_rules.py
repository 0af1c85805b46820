"""Xids over time: bursts, two sources, quiet, reboots, and what a person resolved."""

from dataclasses import replace

from agent.core import xid_rules
from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.facts import KernelSeen
from agent.core.gpu import GpuIdentity
from agent.core.kernel_log import KernelKind
from agent.core.model import AlertType, Severity

NOW = 1_790_000_000_000
PCI = "0000:05:00"
GPU = GpuIdentity("GPU-1", 3, PCI, "NVIDIA H100")


def xid(number, boot="boot-1", *, nvml=False):
    text = f"NVML reported Xid {number}" if nvml else f"NVRM: Xid (PCI:{PCI}): {number}, Ch 10"
    return KernelSeen(boot, KernelKind.XID, text, NOW, pci=PCI, xid=number, facts={"nvml": True} if nvml else {})


def taken(*facts):
    """The record after facts, as (milliseconds, fact)."""
    record = None
    for at, fact in facts:
        record = xid_rules.take(record, fact, NOW + at)
    return record


def seen(record, after=0, boot="boot-1", **options):
    return xid_rules.look(record, "node-1", NOW + after, boot, **options)


def test_a_critical_xid_is_a_gpu_error_that_names_gpu_meaning_and_line():
    item = seen(taken((0, xid(48))), gpu=GPU)

    assert (item.observed, item.condition.type) == (Severity.CRITICAL, AlertType.GPU_ERROR)
    assert item.condition.identity == {"node_id": "node-1", "gpu_uuid": "GPU-1", "rule": "xid", "xid": "48"}
    assert item.condition.message == (
        "GPU 3 (NVIDIA H100, 0000:05:00) reported Xid 48, double-bit ECC error. "
        "The kernel said: NVRM: Xid (PCI:0000:05:00): 48, Ch 10"
    )


def test_a_gpu_that_nvml_does_not_show_is_named_by_its_address():
    item = seen(taken((0, xid(48))))

    assert item.condition.identity["gpu_uuid"] == PCI
    assert item.condition.gpu is None


def test_what_is_evidence_only_raises_nothing():
    assert seen(taken((0, xid(45)))) is None
    assert seen(taken((0, xid(13)))) is None
    assert seen(taken((0, xid(13))), overrides={13: Severity.CRITICAL}).observed is Severity.CRITICAL


def test_kernel_log_and_nvml_are_one_event_and_the_kernels_words_stay():
    record = taken((0, xid(48)), (5 * SECOND, xid(48, nvml=True)))

    assert len(record.bursts) == 1
    assert record.text.startswith("NVRM")


def test_bursts_are_collapsed_by_number():
    assert len(taken((0, xid(31)), (2 * MINUTE, xid(31)), (4 * MINUTE, xid(31))).bursts) == 1
    assert len(taken((0, xid(13)), (16 * SECOND, xid(13))).bursts) == 2


def test_a_warning_is_over_after_an_hour_of_quiet_and_what_is_critical_is_not():
    assert seen(taken((0, xid(94))), HOUR - 1).observed is Severity.WARNING
    assert seen(taken((0, xid(94))), HOUR).observed is None
    assert seen(taken((0, xid(79))), 30 * HOUR).observed is Severity.CRITICAL


def test_a_reboot_ends_it_and_a_person_may():
    assert seen(taken((0, xid(79))), boot="boot-2").observed is None
    resolved = replace(taken((0, xid(79))), resolved_at=NOW + 1)
    assert seen(resolved).observed is None
    assert seen(xid_rules.take(resolved, xid(79), NOW + HOUR), HOUR).observed is Severity.CRITICAL


def test_the_advice_changes_when_it_comes_often_or_again_after_reboots():
    often = taken(*((hour * HOUR, xid(48)) for hour in range(5)))
    again = taken(*((day * 48 * HOUR, xid(48, f"boot-{day}")) for day in range(3)))

    assert seen(often, 5 * HOUR).condition.advice == "It came 5 times within a day: contact NVIDIA support."
    assert "after 2 reboots" in seen(again, 97 * HOUR, "boot-2").condition.advice
    contained = taken(*((day * 48 * HOUR, xid(94, f"boot-{day}")) for day in range(3)))
    assert "reboots" not in seen(contained, 97 * HOUR, "boot-2").condition.advice


def test_records_are_bounded_and_forgotten():
    record = taken(*((number * HOUR, xid(48)) for number in range(40)))

    assert len(record.bursts) == xid_rules.TIMES_KEPT
    old = {"k": record}
    assert list(xid_rules.outlived(old, NOW + 40 * 24 * HOUR, "boot-1")) == []
    assert list(xid_rules.outlived(old, NOW + 40 * 24 * HOUR, "boot-2")) == ["k"]
