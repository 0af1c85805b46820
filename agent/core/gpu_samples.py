"""Readings of GPUs as samples: the names, units and labels of the metrics page. What is unknown makes no sample."""

from collections.abc import Iterable, Iterator, Mapping

from agent.core.clock import SECOND
from agent.core.gpu import CLOCK_REASONS, GpuDriver, GpuReading
from agent.core.model import Sample
from agent.core.xid_rules import XidRecord

_PLAIN: Mapping[str, str] = {
    "gpu_memory_total_bytes": "memory_total",
    "gpu_memory_reserved_bytes": "memory_reserved",
    "gpu_memory_used_bytes": "memory_used",
    "gpu_memory_free_bytes": "memory_free",
    "gpu_utilization_ratio": "utilization",
    "gpu_memory_utilization_ratio": "memory_utilization",
    "gpu_temperature_margin_celsius": "margin",
    "gpu_power_watts": "power",
    "gpu_power_limit_watts": "power_limit",
    "gpu_energy_joules_total": "energy",
    "gpu_retired_pages_pending": "retired_pending",
    "gpu_recovery_action": "recovery_action",
    "gpu_pcie_replay_total": "pcie_replays",
    "gpu_pcie_link_width": "pcie_width",
    "gpu_pcie_link_generation": "pcie_generation",
}
"""Metrics that are one field of a reading."""
_REMAPPED = ("corrected", "uncorrected")
_FLAGS = ("pending", "failed")


def samples(readings: Iterable[GpuReading], driver: GpuDriver | None) -> Iterator[Sample]:
    """Everything that one look at all GPUs gives to the metrics page."""
    for reading in readings:
        labels = {"gpu": str(reading.gpu.index), "uuid": reading.gpu.uuid}
        yield Sample("gpu_up", reading.trouble is None, labels)
        yield Sample("gpu_info", 1, labels | _info(reading, driver))
        yield from _values(reading, labels)
        yield from _families(reading, labels)


def of_xids(records: Iterable[XidRecord], readings: Iterable[GpuReading]) -> Iterator[Sample]:
    """How often each Xid came and when last; of GPUs that the driver does not know there are no labels to tell by."""
    labels = {item.gpu.pci: {"gpu": str(item.gpu.index), "uuid": item.gpu.uuid} for item in readings}
    for record in records:
        if record.pci in labels:
            place = {**labels[record.pci], "xid": str(record.number)}
            yield Sample("gpu_xid_errors_total", record.count, place)
            yield Sample("gpu_xid_last_timestamp_seconds", record.last_at / SECOND, place)


def _info(reading: GpuReading, driver: GpuDriver | None) -> dict[str, str]:
    return {
        "pci_bus_id": reading.gpu.pci,
        "name": reading.gpu.name,
        "driver_version": (driver.version if driver is not None else None) or "",
        "cuda_version": (driver.cuda if driver is not None else None) or "",
        "vbios_version": reading.gpu.vbios or "",
    }


def _values(reading: GpuReading, labels: Mapping[str, str]) -> Iterator[Sample]:
    for name, attribute in _PLAIN.items():
        value = getattr(reading, attribute)
        if value is not None:
            yield Sample(name, float(value), labels)
    if reading.gpu.slowdown is not None:
        yield Sample("gpu_temperature_slowdown_celsius", reading.gpu.slowdown, labels)
    if reading.processes is not None:
        yield Sample("gpu_processes", len(reading.processes), labels)


def _families(reading: GpuReading, labels: Mapping[str, str]) -> Iterator[Sample]:
    groups: tuple[tuple[str, str, Mapping[str, float | None]], ...] = (
        ("gpu_temperature_celsius", "sensor", {"core": reading.temperature, "memory": reading.memory_temperature}),
        ("gpu_clock_hertz", "domain", {"sm": reading.sm_clock, "memory": reading.memory_clock}),
        ("gpu_throttle_active", "reason", _active(reading.reasons)),
        ("gpu_throttle_seconds_total", "reason", reading.limited),
        ("gpu_remapped_rows", "cause", {cause: reading.remapped.get(cause) for cause in _REMAPPED}),
        ("gpu_nvlink_up", "link", {str(link): is_up for link, is_up in enumerate(reading.links)}),
        ("gpu_nvlink_errors_total", "kind", reading.link_errors),
    )
    for name, label, values in groups:
        for key, value in values.items():
            if value is not None:
                yield Sample(name, float(value), {**labels, label: key})
    for which, count in reading.ecc.items():
        kind, scope = which.split("_")
        yield Sample("gpu_ecc_errors_total", count, {**labels, "kind": kind, "scope": scope})
    for flag in _FLAGS:
        if flag in reading.remapped:
            yield Sample(f"gpu_row_remap_{flag}", reading.remapped[flag], labels)


def _active(reasons: int | None) -> Mapping[str, float | None]:
    return {} if reasons is None else {name: bool(reasons & bit) for bit, name in CLOCK_REASONS.items()}
