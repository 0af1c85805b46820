"""What is read at the moment of a scrape: the names on the metrics page, without the prefix, with their types, help
texts and labels. Data only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The types of the exposition format that samples can have."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Entry:
    """One family. A label that a sample lacks is shown empty."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_FILESYSTEM = ("mountpoint", "device", "fstype")

_TRAINING_JOB = ("training_job",)

_GPU = ("gpu", "uuid")

GPUS: Mapping[str, Entry] = {
    "gpu_info": Entry(
        Kind.INFO, "A GPU.",
        (*_GPU, "pci_bus_id", "name", "driver_version", "cuda_version", "vbios_version"),
    ),
    "gpu_up": Entry(Kind.GAUGE, "Whether the GPU answers.", _GPU),
    "gpu_memory_total_bytes": Entry(Kind.GAUGE, "Memory of the GPU.", _GPU),
    "gpu_memory_reserved_bytes": Entry(Kind.GAUGE, "Memory that the driver keeps for itself.", _GPU),
    "gpu_memory_used_bytes": Entry(Kind.GAUGE, "Memory that programs hold.", _GPU),
    "gpu_memory_free_bytes": Entry(Kind.GAUGE, "Memory that is free.", _GPU),
    "gpu_utilization_ratio": Entry(Kind.GAUGE, "Share of time in which a kernel ran.", _GPU),
    "gpu_memory_utilization_ratio": Entry(Kind.GAUGE, "Share of time in which memory was read or written.", _GPU),
    "gpu_temperature_celsius": Entry(Kind.GAUGE, "Temperature of the GPU.", (*_GPU, "sensor")),
    "gpu_temperature_margin_celsius": Entry(Kind.GAUGE, "Degrees left until the GPU's limit.", _GPU),
    "gpu_temperature_slowdown_celsius": Entry(Kind.GAUGE, "Temperature at which clocks are cut.", _GPU),
    "gpu_power_watts": Entry(Kind.GAUGE, "Power that the GPU draws.", _GPU),
    "gpu_power_limit_watts": Entry(Kind.GAUGE, "Power that the GPU may draw.", _GPU),
    "gpu_energy_joules_total": Entry(Kind.COUNTER, "Energy used since the driver was loaded.", _GPU),
    "gpu_clock_hertz": Entry(Kind.GAUGE, "Clock rate.", (*_GPU, "domain")),
    "gpu_throttle_active": Entry(Kind.GAUGE, "Whether this reason limits the clocks now.", (*_GPU, "reason")),
    "gpu_throttle_seconds_total": Entry(Kind.COUNTER, "Time for which clocks were limited.", (*_GPU, "reason")),
    "gpu_ecc_errors_total": Entry(Kind.COUNTER, "Memory errors.", (*_GPU, "kind", "scope")),
    "gpu_remapped_rows": Entry(Kind.GAUGE, "Memory rows that were remapped.", (*_GPU, "cause")),
    "gpu_row_remap_pending": Entry(Kind.GAUGE, "Whether a remapping waits for a reset.", _GPU),
    "gpu_row_remap_failed": Entry(Kind.GAUGE, "Whether a remapping failed.", _GPU),
    "gpu_retired_pages_pending": Entry(Kind.GAUGE, "Whether pages wait to be retired.", _GPU),
    "gpu_recovery_action": Entry(Kind.GAUGE, "What the driver asks for: 0 is nothing (field 230 of NVML).", _GPU),
    "gpu_pcie_replay_total": Entry(Kind.COUNTER, "PCIe transfers that were repeated.", _GPU),
    "gpu_pcie_link_width": Entry(Kind.GAUGE, "PCIe lanes in use.", _GPU),
    "gpu_pcie_link_generation": Entry(Kind.GAUGE, "PCIe generation in use; lower at rest by design.", _GPU),
    "gpu_nvlink_up": Entry(Kind.GAUGE, "Whether the NVLink is up.", (*_GPU, "link")),
    "gpu_nvlink_errors_total": Entry(Kind.COUNTER, "NVLink errors over all links.", (*_GPU, "kind")),
    "gpu_xid_errors_total": Entry(Kind.COUNTER, "Xids that the GPU reported, each burst once.", (*_GPU, "xid")),
    "gpu_xid_last_timestamp_seconds": Entry(Kind.GAUGE, "When the GPU last reported this Xid.", (*_GPU, "xid")),
    "gpu_processes": Entry(Kind.GAUGE, "Processes that compute on the GPU.", _GPU),
}
"""What a look at the GPUs gives."""

SAMPLES: Mapping[str, Entry] = {
    "filesystem_size_bytes": Entry(Kind.GAUGE, "Size of the file system.", _FILESYSTEM),
    "filesystem_avail_bytes": Entry(Kind.GAUGE, "Space that ordinary users may still fill.", _FILESYSTEM),
    "filesystem_free_bytes": Entry(Kind.GAUGE, "Free space, with what is reserved for root.", _FILESYSTEM),
    "filesystem_files": Entry(Kind.GAUGE, "Inodes of the file system.", _FILESYSTEM),
    "filesystem_files_free": Entry(Kind.GAUGE, "Free inodes of the file system.", _FILESYSTEM),
    "filesystem_readonly": Entry(Kind.GAUGE, "Whether the file system is mounted read-only.", _FILESYSTEM),
    "filesystem_unresponsive_seconds": Entry(Kind.GAUGE, "How long a mount has not answered.", _FILESYSTEM),
    "filesystem_device_error": Entry(Kind.GAUGE, "Whether the file system answers with an error.", _FILESYSTEM),
    "log_bytes_total": Entry(Kind.COUNTER, "Bytes read from training logs."),
    "log_files": Entry(Kind.GAUGE, "Training logs that are followed."),
    "log_lag_bytes": Entry(Kind.GAUGE, "Bytes in followed logs that have not been read yet."),
    "spool_rejected_total": Entry(Kind.COUNTER, "Files handed in that were refused or dropped."),
    "exit_status_info": Entry(Kind.INFO, "How the ends of processes are learned on this node.", ("strategy",)),
    "kmsg_gaps_total": Entry(Kind.COUNTER, "Times that the kernel's log was written over before it was read."),
    "kmsg_reopens_total": Entry(Kind.COUNTER, "Times that the kernel's log was opened again."),
    "shutdown_scheduled_timestamp_seconds": Entry(
        Kind.GAUGE, "When the node is to go down, 0 if nothing is scheduled.", ("mode",)
    ),
    "nvml_generation": Entry(Kind.GAUGE, "How often the GPU driver was initialised."),
    "nvml_hang": Entry(Kind.GAUGE, "Whether a call into the GPU driver does not return."),
    "nvml_errors_total": Entry(Kind.COUNTER, "Calls that the GPU driver refused.", ("call", "code")),
    **GPUS,
}
"""What sources report: a sample's name is the metric's."""

SUMMED = frozenset({"log_bytes_total", "log_files", "log_lag_bytes", "log_files_unreadable"})
"""What several sources report a part of, one for each mount that may hang."""

STATE: Mapping[str, Entry] = {
    "collect_success": Entry(Kind.GAUGE, "Whether the collector's latest look succeeded.", ("collector",)),
    "collect_last_success_timestamp_seconds": Entry(
        Kind.GAUGE, "When the collector last succeeded.", ("collector",)
    ),
    "log_records_dropped_total": Entry(Kind.COUNTER, "Lines of the agent's own log that could not be written."),
    "state_db_errors_total": Entry(Kind.COUNTER, "How often the store refused.", ("op",)),
    "store_up": Entry(Kind.GAUGE, "Whether the store answered this scrape."),
    "state_db_size_bytes": Entry(Kind.GAUGE, "Size of the database file."),
    "queue_length": Entry(Kind.GAUGE, "Deliveries that wait or are being sent.", ("channel", "state")),
    "queue_capacity": Entry(Kind.GAUGE, "Open deliveries beyond which new ones of severity info are given up."),
    "quiet_window_active": Entry(Kind.GAUGE, "Whether it is quiet now.", ("window",)),
    "silences": Entry(Kind.GAUGE, "Silences that are remembered.", ("state",)),
    "queue_oldest_seconds": Entry(Kind.GAUGE, "Age of the oldest delivery that should be sent.", ("channel",)),
    "dead_letters": Entry(Kind.GAUGE, "Deliveries that were given up and wait for a person.", ("channel",)),
    "channel_up": Entry(Kind.GAUGE, "Whether the channel delivers, as far as its last attempt tells.", ("channel",)),
    "alerts_firing": Entry(Kind.GAUGE, "Alerts that are firing.", ("alert_type", "severity")),
    "jobs": Entry(Kind.GAUGE, "Training jobs in the store.", ("state",)),
    "training_job_info": Entry(Kind.INFO, "A running training job.", ("training_job", "name", "model")),
    "training_job_step": Entry(Kind.GAUGE, "Latest step of a running training job.", _TRAINING_JOB),
    "training_job_loss": Entry(Kind.GAUGE, "Latest loss of a running training job.", _TRAINING_JOB),
    "training_job_last_progress_timestamp_seconds": Entry(
        Kind.GAUGE, "When a running training job last made progress.", _TRAINING_JOB
    ),
}
"""What the agent knows of itself and of the jobs."""
