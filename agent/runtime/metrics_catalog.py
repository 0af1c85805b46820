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

SAMPLES: Mapping[str, Entry] = {
    "filesystem_size_bytes": Entry(Kind.GAUGE, "Size of the file system.", _FILESYSTEM),
    "filesystem_avail_bytes": Entry(Kind.GAUGE, "Space that ordinary users may still fill.", _FILESYSTEM),
    "filesystem_free_bytes": Entry(Kind.GAUGE, "Free space, with what is reserved for root.", _FILESYSTEM),
    "filesystem_files": Entry(Kind.GAUGE, "Inodes of the file system.", _FILESYSTEM),
    "filesystem_files_free": Entry(Kind.GAUGE, "Free inodes of the file system.", _FILESYSTEM),
    "filesystem_readonly": Entry(Kind.GAUGE, "Whether the file system is mounted read-only.", _FILESYSTEM),
    "log_bytes_total": Entry(Kind.COUNTER, "Bytes read from training logs."),
    "log_files": Entry(Kind.GAUGE, "Training logs that are followed."),
    "log_lag_bytes": Entry(Kind.GAUGE, "Bytes in followed logs that have not been read yet."),
    "spool_rejected_total": Entry(Kind.COUNTER, "Files handed in that were refused or dropped."),
    "exit_status_info": Entry(Kind.INFO, "How the ends of processes are learned on this node.", ("strategy",)),
}
"""What sources report: a sample's name is the metric's."""

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
