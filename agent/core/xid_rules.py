"""From Xids to conditions: bursts told once, the kernel log and NVML merged, and what a reboot did not cure.

Pure. One `XidRecord` a GPU and number is kept, and stored, so that a restart neither forgets nor repeats anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from agent.core import xids
from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.episodes import Condition, Seen
from agent.core.facts import FindingKind, KernelSeen, LogFinding, Role
from agent.core.gpu import GpuIdentity
from agent.core.gpu_rule import GpuRule
from agent.core.model import AlertType, Severity

BURST = MINUTE
"""Equal Xids of one GPU within this time are one event; the kernel log and NVML tell of each once."""
BURSTS: Mapping[int, int] = {13: 15 * SECOND, 31: 3 * MINUTE}
"""Numbers whose bursts are shorter or longer (NVSentinel's health-events analyzer)."""
NAME = "xid"
RULE = GpuRule("", keep_ms=HOUR)
"""A warning is over when the Xid has not come again for `keep_ms`; what is critical needs a reboot or a person."""
DAY = 24 * HOUR
OFTEN = 5
"""Critical events within a day after which only NVIDIA's support helps (gpud's threshold)."""
REBOOTS = 2
"""Reboots after which the same Xid came again, so that one more will not help."""
REBOOT_IS_NO_CURE_FOR = frozenset({94})
"""Contained errors: the next one has a cause of its own."""
TIMES_KEPT = 16
FOLDED: Mapping[int, int] = {171: 48, 172: 48}
"""Numbers that only give details of another one."""

XidKey = str
"""PCI address and number, as `"0000:05:00/79"`."""


@dataclass(frozen=True, slots=True)
class XidRecord:
    """What is known of one Xid on one GPU. Times are UTC milliseconds."""

    pci: str
    number: int
    text: str
    boot: str
    """The boot in which it last came."""
    last_at: int
    bursts: tuple[int, ...]
    """When bursts began, the last ones."""
    boots: tuple[str, ...]
    """The boots in which it came, the last ones."""
    resolved_at: int | None = None
    """When a person said that it is dealt with."""
    count: int = 1
    """How often it came in all, each burst once."""
    told_as: str | None = None
    """The UUID, or without it the address, that alerts about it carry; stays whatever is learned later."""


def key(fact: KernelSeen) -> XidKey:
    """Where the record of a fact is kept."""
    return f"{fact.pci}/{_number(fact)}"


def take(record: XidRecord | None, fact: KernelSeen, at: int) -> XidRecord:
    """Take one Xid in. `at`: when it was noticed, UTC milliseconds."""
    number = _number(fact)
    if record is None:
        return XidRecord(fact.pci or "", number, fact.text, fact.boot_id, at, (at,), (fact.boot_id,))
    again = at - record.last_at <= BURSTS.get(number, BURST) and fact.boot_id == record.boot
    # NVML gives a number only: the kernel's own words say more.
    text = record.text if again and fact.facts.get("nvml") else fact.text
    boots = record.boots if fact.boot_id in record.boots else (*record.boots, fact.boot_id)[-TIMES_KEPT:]
    return replace(
        record, text=text, boot=fact.boot_id, last_at=at, boots=boots,
        bursts=record.bursts if again else (*record.bursts, at)[-TIMES_KEPT:],
        count=record.count + (not again),
        resolved_at=record.resolved_at if again else None,
    )  # fmt: skip


def look(
    record: XidRecord, node: str, now: int, boot: str, *, gpu: GpuIdentity | None = None,
    overrides: Mapping[int, Severity] | None = None, rule: GpuRule = RULE,
) -> Seen | None:
    """Judge one record; None if it is evidence only. `boot`: the present one; `gpu`: the device, if it is known."""
    meaning = xids.meaning(record.number, record.text, overrides)
    if rule.severity is not None and not meaning.evidence_only:
        meaning = replace(meaning, severity=rule.severity)
    if meaning.evidence_only or not rule.enabled:
        return None
    over = record.boot != boot or record.resolved_at is not None
    quiet = meaning.severity is Severity.WARNING and now - record.last_at >= rule.keep_ms
    seen = None if over or quiet else meaning.severity
    return Seen(_condition(record, meaning, node, now, gpu), seen)


def finding(fact: KernelSeen) -> LogFinding:
    """An Xid as evidence for the job that it hit: a cause if it is critical, else a note beside the cause."""
    critical = xids.meaning(_number(fact), fact.text).severity is Severity.CRITICAL
    return LogFinding(
        path="/dev/kmsg", file=f"kmsg:{fact.boot_id}", offset=0, signature="kernel_xid", kind=FindingKind.XID,
        role=Role.ROOT, severity=Severity.CRITICAL if critical else Severity.INFO, text=fact.text,
        facts={"xid": _number(fact), "pci": fact.pci, "detail": fact.text, "kernel": True},
    )  # fmt: skip


def outlived(records: Mapping[XidKey, XidRecord], now: int, boot: str) -> Iterator[XidKey]:
    """The records that nothing depends on any more: of earlier boots, and too old for a count."""
    for name, record in records.items():
        if record.boot != boot and now - record.last_at > 30 * DAY:
            yield name


def identity(record: XidRecord, gpu: GpuIdentity | None) -> str:
    """By what alerts know the GPU: its UUID, or its address while that is all there is."""
    return record.pci if gpu is None else gpu.uuid


def _number(fact: KernelSeen) -> int:
    number = fact.xid or 0
    return FOLDED.get(number, number)


def _condition(record: XidRecord, meaning: xids.Meaning, node: str, now: int, gpu: GpuIdentity | None) -> Condition:
    name = f"GPU {gpu.index} ({gpu.name}, {record.pci})" if gpu is not None else f"The GPU at {record.pci}"
    critical = meaning.severity is Severity.CRITICAL
    return Condition(
        type=AlertType.GPU_ERROR if critical else AlertType.GPU_DEGRADED,
        identity={
            "node_id": node, "gpu_uuid": record.told_as or identity(record, gpu), "rule": NAME,
            "xid": str(record.number),
        },
        title=f"Xid {record.number}: {meaning.meaning}",
        message=f"{name} reported Xid {record.number}, {meaning.meaning}. The kernel said: {record.text}",
        gpu={"index": gpu.index, "uuid": gpu.uuid, "name": gpu.name} if gpu is not None else None,
        advice=_advice(record, meaning, now),
    )  # fmt: skip


def _advice(record: XidRecord, meaning: xids.Meaning, now: int) -> str | None:
    recent = sum(at > now - DAY for at in record.bursts)
    if meaning.severity is Severity.CRITICAL and recent >= OFTEN:
        return f"It came {recent} times within a day: contact NVIDIA support."
    if len(record.boots) > REBOOTS and record.number not in REBOOT_IS_NO_CURE_FOR:
        return f"It came again after {len(record.boots) - 1} reboots: another will not help, have the GPU inspected."
    return meaning.advice
