import math
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agent.core.facts import Progress
from agent.core.job import Job, JobState
from agent.core.model import Alert, AlertType, DeliveryState, Sample, Severity, Status
from agent.core.policy.decided import Change, Plan
from agent.core.ports import Reading
from agent.runtime.board import Board
from agent.runtime.health import Health
from agent.runtime.metrics import Metrics
from agent.runtime.metrics_catalog import SAMPLES, STATE
from agent.runtime.metrics_scrape import Snapshot
from agent.store.errors import StoreError
from tests.runtime.doubles import log_reading
from tests.support.clock import START, ManualClock

NOW = ManualClock().now()
JOB = Job(
    "job-1", ("key",), "train", START, log="/logs/run.log", file="1:2", model="llama",
    progress=Progress(step=10, loss=2.5), progress_at=START,
)  # fmt: skip


class Setting:
    """Metrics over a board and a snapshot that the test arranges."""

    def __init__(self):
        self.board = Board()
        self.snapshot = Snapshot(database_bytes=4_096)
        self.error = None
        self.metrics = Metrics("1.2.3", self.board, self.take, lambda: 7)

    def take(self):
        if self.error:
            raise self.error
        return self.snapshot

    def families(self):
        page, content_type = self.metrics.page()
        assert content_type == "text/plain; version=0.0.4; charset=utf-8"
        return {family.name: family for family in text_string_to_metric_families(page.decode())}

    def value(self, name, /, **labels):
        """One sample's value, or None; fails if it is there twice."""
        found = [
            sample.value
            for family in self.families().values()
            for sample in family.samples
            if sample.name == f"gpuwarden_{name}" and sample.labels == labels
        ]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def setting():
    return Setting()


def full(setting):
    """Give every family something to show."""
    setting.metrics.init_channels({"ops": "slack"})
    setting.board.enrol(Health("disk", 10, 30, source=True))
    setting.board.began("disk", NOW)
    setting.board.ended("disk", NOW)
    samples = tuple(Sample(name, 1, dict.fromkeys(entry.labels, "x")) for name, entry in SAMPLES.items())
    setting.board.publish("disk", Reading(samples=samples), NOW)
    setting.snapshot = Snapshot(running=(JOB,), jobs={"running": 1}, quiet={"night": False}, database_bytes=1)
    setting.metrics.looked("disk", 0.01)
    setting.metrics.reloaded(NOW, successful=True)
    return setting


def test_every_family_of_the_catalogue_is_on_a_full_page(setting):
    expected = {f"gpuwarden_{name}".removesuffix("_total") for name in (*SAMPLES, *STATE)}
    assert expected <= full(setting).families().keys()


def test_every_family_has_a_help_text_and_a_fitting_name(setting):
    for family in full(setting).families().values():
        assert family.name.startswith("gpuwarden_")
        assert family.documentation.endswith(".")
        assert (family.type == "counter") == all(sample.name.endswith("_total") for sample in family.samples)


def test_openmetrics_holds_the_same_families(setting):
    page, content_type = full(setting).metrics.page(openmetrics=True)
    families = {family.name for family in openmetrics_families(page.decode())}
    assert content_type.startswith("application/openmetrics-text")
    plain = {name.removesuffix("_info") for name in setting.families()}
    assert families == plain


def test_no_series_is_on_the_page_twice(setting):
    lines = full(setting).metrics.page()[0].decode().splitlines()
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))


def test_channels_start_with_zeros_so_that_the_first_failure_shows(setting):
    setting.metrics.init_channels({"ops": "slack"})
    ops = {"channel": "ops", "integration": "slack"}
    assert setting.value("notifications_total", **ops) == 0
    assert setting.value("notifications_failed_total", **ops, reason="auth_error") == 0
    assert setting.value("notification_requests_total", **ops) == 0
    assert setting.value("notification_requests_failed_total", **ops) == 0
    assert setting.value("notification_delay_seconds_count", channel="ops") == 0
    assert setting.value("queue_length", channel="ops", state="queued") == 0
    assert setting.value("dead_letters", channel="ops") == 0
    assert setting.value("queue_oldest_seconds", channel="ops") == 0
    assert setting.value("channel_up", channel="ops") == 1


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("alert_events_total", {"alert_type": "job_failed", "severity": "critical", "event": "event"}),
        ("alert_events_total", {"alert_type": "disk_warning", "severity": "warning", "event": "resolved"}),
        ("notifications_suppressed_total", {"reason": "silenced_by"}),
        ("notifications_deferred_total", {"reason": "cooldown"}),
        ("notifications_dropped_total", {"reason": "store_refuses"}),
        ("state_db_errors_total", {"op": "write"}),
        ("clock_jumps_total", {}),
        ("alerts_firing", {"alert_type": "disk_warning", "severity": "critical"}),
        ("jobs", {"state": "failed"}),
    ],
)
def test_known_labels_start_with_zeros(setting, name, labels):
    assert setting.value(name, **labels) == 0


def test_an_alert_is_counted_by_what_happened_to_it(setting):
    failed = Alert("a", AlertType.JOB_FAILED, "f", Status.EVENT, Severity.CRITICAL, "t", "m", START)
    setting.metrics.alert_event(failed)
    labels = {"alert_type": "job_failed", "severity": "critical", "event": "event"}
    assert setting.value("alert_events_total", **labels) == 1


def test_a_delivered_notification_counts_once_with_its_delay(setting):
    ops = {"channel": "ops", "integration": "slack"}
    setting.metrics.failed("ops", "slack", "server_error", dead=False)
    for _ in range(2):
        setting.metrics.attempted("ops", "slack", 0.2)
    setting.metrics.delivered("ops", "slack", 12.5)
    assert setting.value("notifications_total", **ops) == 1
    assert setting.value("notification_requests_total", **ops) == 2
    assert setting.value("notification_requests_failed_total", **ops) == 1
    assert setting.value("notifications_failed_total", **ops, reason="server_error") is None
    assert setting.value("notification_delay_seconds_sum", channel="ops") == 12.5


def test_a_dead_letter_counts_with_its_reason(setting):
    setting.metrics.failed("ops", "slack", "client_error", dead=True)
    ops = {"channel": "ops", "integration": "slack"}
    assert setting.value("notifications_failed_total", **ops, reason="client_error") == 1
    assert setting.value("notifications_total", **ops) == 1


def test_what_a_round_held_back_is_counted_without_ids(setting):
    changes = [
        Change("d1", "ops", DeliveryState.SUPPRESSED, "silenced_by:s-17", START),
        Change("d2", "ops", DeliveryState.DEFERRED, "cooldown", START),
        Change("d3", "ops", DeliveryState.QUEUED, None, START),
    ]
    setting.metrics.planned(Plan(changes=changes))
    assert setting.value("notifications_suppressed_total", reason="silenced_by") == 1
    assert setting.value("notifications_deferred_total", reason="cooldown") == 1


def test_samples_show_with_the_labels_of_the_catalogue(setting):
    labels = {"mountpoint": "/data", "device": "/dev/sda1", "fstype": "ext4"}
    setting.board.publish(
        "disk", Reading(samples=(Sample("filesystem_avail_bytes", 5, {**labels, "pid": "1"}),)), NOW
    )
    setting.board.publish("logs", Reading(samples=(Sample("log_bytes_total", 9),)), NOW)
    assert setting.value("filesystem_avail_bytes", **labels) == 5
    assert setting.value("log_bytes_total") == 9


def test_of_two_equal_samples_the_later_shows(setting):
    samples = tuple(Sample("nvml_generation", value) for value in (1, 2))
    setting.board.publish("gpu", Reading(samples=samples), NOW)
    assert setting.value("nvml_generation") == 2


def test_what_several_sources_report_a_part_of_is_summed(setting):
    for source, files in (("logs", 3), ("logs:/nfs", 2)):
        setting.board.publish(source, Reading(samples=(Sample("log_files", files),)), NOW)
    assert setting.value("log_files") == 5


def test_a_sample_that_the_catalogue_lacks_is_left_out_and_told(setting, caplog):
    caplog.set_level("DEBUG", logger="agent")
    setting.board.publish("disk", Reading(samples=(Sample("made_up", 1),)), NOW)
    assert setting.value("made_up") is None
    assert any(getattr(record, "fields", {}) == {"sample": "made_up"} for record in caplog.records)


def test_a_name_that_is_not_unicode_does_not_break_the_page(setting):
    labels = {"mountpoint": "/d\udcff", "device": 'a"\\\n', "fstype": "ext4"}
    setting.board.publish("disk", Reading(samples=(Sample("filesystem_files", 1, labels),)), NOW)
    assert setting.value("filesystem_files", mountpoint="/d?", device='a"\\\n', fstype="ext4") == 1


def test_a_collector_shows_whether_and_when_it_last_succeeded(setting):
    setting.board.enrol(Health("disk", 10, 30, source=True))
    setting.board.enrol(Health("evaluator", 1, 10))
    assert setting.value("collect_success", collector="disk") == 0
    setting.board.began("disk", NOW)
    setting.board.ended("disk", NOW)
    setting.metrics.looked("disk", 0.2)
    assert setting.value("collect_success", collector="disk") == 1
    assert setting.value("collect_last_success_timestamp_seconds", collector="disk") == START / 1_000
    assert setting.value("collect_duration_seconds_count", collector="disk") == 1
    assert setting.value("collect_success", collector="evaluator") is None


def test_the_store_is_shown(setting):
    setting.metrics.init_channels({"ops": "slack", "me": "console"})
    setting.snapshot = Snapshot(
        jobs={"failed": 3},
        firing={("disk_warning", "critical"): 2},
        queue={("ops", "deferred"): 4, ("gone", "queued"): 1},
        oldest={"ops": 90.5},
        dead={"ops": 1},
        down=frozenset({"ops"}),
        quiet={"night": True},
        silences={"active": 2},
        database_bytes=4_096,
    )
    assert setting.value("jobs", state="failed") == 3
    assert setting.value("alerts_firing", alert_type="disk_warning", severity="critical") == 2
    assert setting.value("queue_length", channel="ops", state="deferred") == 4
    assert setting.value("queue_length", channel="gone", state="queued") == 1
    assert setting.value("queue_oldest_seconds", channel="ops") == 90.5
    assert setting.value("dead_letters", channel="ops") == 1
    assert [setting.value("channel_up", channel=name) for name in ("ops", "me")] == [0, 1]
    assert setting.value("quiet_window_active", window="night") == 1
    assert [setting.value("silences", state=state) for state in ("active", "pending", "expired")] == [2, 0, 0]
    assert setting.value("queue_capacity") == 50_000
    assert setting.value("state_db_size_bytes") == 4_096
    assert setting.value("store_up") == 1


def test_a_store_that_is_down_leaves_its_series_out_and_the_page_up(setting):
    setting.metrics.init_channels({"ops": "slack"})
    setting.error = StoreError("locked")
    assert setting.value("store_up") == 0
    assert setting.value("state_db_errors_total", op="read") == 2
    assert setting.value("queue_length", channel="ops", state="queued") is None
    assert setting.value("notifications_total", channel="ops", integration="slack") == 0


def test_running_jobs_alone_have_series(setting):
    setting.snapshot = Snapshot(running=(JOB,))
    assert setting.value("training_job_info", training_job="job-1", name="train", model="llama") == 1
    assert setting.value("training_job_step", training_job="job-1") == 10
    assert setting.value("training_job_loss", training_job="job-1") == 2.5
    assert setting.value("training_job_last_progress_timestamp_seconds", training_job="job-1") == START / 1_000
    setting.snapshot = Snapshot()
    assert not any("job-1" in str(family.samples) for family in setting.families().values())


def test_a_jobs_progress_is_that_of_its_log_now(setting):
    setting.snapshot = Snapshot(running=(JOB,))
    later = log_reading(progress=Progress(step=11, loss=math.nan), progress_at=START + 500)
    setting.board.publish("logs", Reading(logs=(later,)), NOW)
    assert setting.value("training_job_step", training_job="job-1") == 11
    assert math.isnan(setting.value("training_job_loss", training_job="job-1"))
    setting.board.publish("logs", Reading(logs=(replace(later, file="1:3"),)), NOW)
    assert setting.value("training_job_step", training_job="job-1") == 10, "another run writes there now"


def test_unknown_numbers_have_no_series(setting):
    setting.snapshot = Snapshot(running=(replace(JOB, progress=Progress(), progress_at=None),))
    assert setting.value("training_job_step", training_job="job-1") is None


def test_the_build_and_the_last_reload_show(setting):
    (build,) = setting.families()["gpuwarden_build_info"].samples
    assert build.labels["version"] == "1.2.3"
    setting.metrics.reloaded(NOW, successful=True)
    setting.metrics.reloaded(ManualClock().advance(60), successful=False)
    assert setting.value("config_last_reload_successful") == 0
    assert setting.value("config_last_reload_success_timestamp_seconds") == START / 1_000
    assert setting.value("log_records_dropped_total") == 7


def test_registries_are_not_shared():
    first, second = Setting(), Setting()
    first.metrics.clock_jumped()
    assert (first.value("clock_jumps_total"), second.value("clock_jumps_total")) == (1, 0)


def test_every_state_of_a_job_is_known(setting):
    states = {sample.labels["state"] for sample in setting.families()["gpuwarden_jobs"].samples}
    assert states == set(JobState)


@pytest.mark.parametrize("parse", [text_string_to_metric_families, openmetrics_families])
def test_awkward_labels_and_numbers_are_read_back_as_they_were(setting, parse):
    name = 'H100 "80 GB" \\ new\nline'
    given = {"gpu": "0", "uuid": "GPU-1", "pci_bus_id": "0000:05:00", "name": name, "driver_version": "580"}
    powers = {"GPU-1": math.inf, "GPU-2": math.nan, "GPU-3": 8.5e10, "GPU-4": True, "GPU-5": -0.25}
    samples = [Sample("gpu_power_watts", value, {"gpu": "0", "uuid": uuid}) for uuid, value in powers.items()]
    setting.board.publish("gpu", Reading(samples=(Sample("gpu_info", 1, given), *samples)), NOW)

    page, _ = setting.metrics.page(openmetrics=parse is openmetrics_families)
    read = [sample for family in parse(page.decode()) for sample in family.samples]
    (info,) = [sample for sample in read if sample.name == "gpuwarden_gpu_info"]
    assert info.labels == {**given, "cuda_version": "", "vbios_version": ""}
    shown = {sample.labels["uuid"]: sample.value for sample in read if sample.name == "gpuwarden_gpu_power_watts"}
    assert math.isnan(shown.pop("GPU-2"))
    assert shown == {uuid: value for uuid, value in powers.items() if uuid != "GPU-2"}
