"""What a report tells: rows in, one object out, and the same in words and tables."""

import json
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from agent.core import bounded as bounds
from agent.core import report, report_alert, report_text
from agent.core.bounded import bounded
from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.disk_past import Room
from agent.core.facts import Progress
from agent.core.gpu_usage import Usage
from agent.core.job import HeldGpu, Job, JobState
from agent.core.model import AlertType, DeliveryState, Severity, Status
from agent.core.periods import Schedule, covering
from agent.core.report import MOST_JOBS, AlertCount, Found
from agent.core.report_channels import DeliveryCount
from agent.core.table import Table
from agent.store.rows import dump
from tests.core.values import alert

BERLIN = ZoneInfo("Europe/Berlin")
SUNDAY = covering(Schedule(AlertType.DAILY_SUMMARY), date(2026, 3, 29), BERLIN)
START, END = SUNDAY.starts_at, SUNDAY.ends_at
WEEK = covering(Schedule(AlertType.WEEKLY_DIGEST), date(2026, 3, 29), BERLIN)


def build(period=SUNDAY, made_at=None, **found):
    known = {"jobs": (), "lives": [(period.starts_at, period.ends_at)]}
    return report.build(
        period, Found(**(known | found)), node="n1", zone="Europe/Berlin", made_at=made_at or period.due_at
    )


def job(name="bert", state=JobState.COMPLETED, hours=2, ended=END - HOUR, **changes):
    values = {"reason": "gpu_oom" if state is JobState.FAILED else None, "progress": Progress(90, 100, loss=0.25)}
    began = (ended or END) - hours * HOUR
    return Job(f"job-{name[-8:]}", (name,), name, began, state=state, ended_at=ended, **(values | changes))


def text(made, zone=BERLIN):
    return "\n".join(line for table in report_text.tables(made, zone) for line in table.lines())


def test_an_empty_day_says_so():
    made = build()
    assert (made["report"], made["period"], made["hours"]) == ("daily_summary", "daily:2026-03-29", 23.0)
    assert made["gpus"] is None
    words = "No job ended. There are no GPU readings. No alerts."
    assert report_text.summary(made) == words
    assert report_text.summary(build(lives=())) == f"No agent is known to have run in this time. {words}"
    assert report_text.lines(made, BERLIN) == []
    assert [table.title for table in report_text.tables(made, BERLIN)] == ["Jobs", "GPUs", "Alerts that began"]


def test_bounds_of_a_short_day_are_stated():
    made = build()
    assert report_text.title(made, BERLIN) == "Daily summary of Sunday, 2026-03-29"
    assert report_text.bounds(made, BERLIN) == "2026-03-29 00:00 to 2026-03-30 00:00 (Europe/Berlin, 23 h)"
    assert report_text.title(build(WEEK), BERLIN) == "Weekly digest, 2026-03-23 to 2026-03-30"


def test_jobs_by_outcome():
    jobs = [job(), job("gpt", JobState.FAILED, 1), job("vit", JobState.RUNNING, 5, None)]
    usage = {"job-bert": Usage(held=7200.0)}
    made = build(jobs=iter(jobs), by_job=usage, by_gpu={"GPU-1": Usage(seen=82_800.0, held=7200.0)})
    assert [(item["outcome"], item["count"]) for item in made["jobs"]["outcomes"]] == [
        ("running", 1), ("completed", 1), ("failed", 1),
    ]  # fmt: skip
    first, second, third = made["jobs"]["listed"]
    assert (first["name"], first["reason"], first["duration_seconds"]) == ("gpt", "gpu_oom", 3600)
    assert (second["name"], second["outcome"]) == ("vit", "running")
    assert (third["name"], third["gpu_hours"], third["loss"]) == ("bert", 2.0, 0.25)
    assert made["jobs"]["gpu_hours"] == 2.0
    assert report_text.summary(made).startswith("2 jobs ended: 1 completed, 1 failed; 1 still ran.")
    assert "❌ gpt: gpu_oom after 1h 00m" in report_text.lines(made, BERLIN)


def test_a_job_that_ended_later_was_running():
    made = build(jobs=[job(ended=END + HOUR, hours=3)])
    assert made["jobs"]["listed"][0]["outcome"] == "running"
    assert made["jobs"]["listed"][0]["duration_seconds"] == 2 * 3600


def test_of_many_jobs_failures_and_the_longest_are_listed():
    jobs = [job(f"ok-{n}", hours=n / 100) for n in range(500)]
    jobs[77] = job("bad", JobState.FAILED, 0.1)
    made = build(jobs=iter(jobs))["jobs"]
    names = [item["name"] for item in made["listed"]]
    assert names[:3] == ["bad", "ok-499", "ok-498"]
    assert (len(names), made["more"]) == (MOST_JOBS, 480)


def test_gpus_together_and_one_by_one():
    hour = 3600.0
    used = {
        "GPU-a": Usage(seen=10 * hour, held=4 * hour, measured=10 * hour, busy=3 * hour, idle=hour, energy=7.2e6),
        "GPU-b": Usage(seen=10 * hour, measured=10 * hour, energy=1.8e6, memory_peak=1 << 30),
    }
    gpus = build(by_gpu=used)["gpus"]
    assert (gpus["held_hours"], gpus["seen_hours"], gpus["used_percent"]) == (4.0, 20.0, 15.0)
    assert (gpus["idle_percent"], gpus["energy_kwh"], gpus["memory_peak_bytes"]) == (25.0, 2.5, 1 << 30)
    assert [item["uuid"] for item in gpus["each"]] == ["GPU-a", "GPU-b"]
    assert gpus["each"][1]["idle_percent"] is None


def test_jobs_tell_which_gpu_is_which():
    held = (HeldGpu(3, "GPU-a", "NVIDIA H100"),)
    made = build(jobs=[job(held=held)], by_gpu={"GPU-a": Usage(held=1.0), "GPU-b0123456789": Usage()})
    assert [(item["uuid"], item["index"]) for item in made["gpus"]["each"]] == [("GPU-a", 3), ("GPU-b0123456789", None)]
    assert "GPU 3 (NVIDIA H100)" in text(made)
    assert "GPU-b0123456…" in text(made)


def test_numbers_stand_flush_right_and_dates_do_not():
    rows = (("2026-03-28 10:00", "9 %", "+1 points", "x"), ("2026-03-28", "-", "-2", "5"))
    table = Table("t", ("a", "b", "c", "d"), rows)
    assert table.numeric() == (False, True, True, False)
    assert list(table.lines())[2] == "  2026-03-28 10:00  9 %  +1 points  x"


def test_what_ran_out_of_memory_is_told_by_words_and_not_by_the_chart_below_them():
    oom = alert(type=AlertType.GPU_OOM, message="gpt ran out of GPU memory.", evidence=("a line", "pid 7 ▁▁▁▇ 12 GiB"))
    assert build(memory=[oom])["out_of_memory"]["listed"][0]["cause"] == "gpt ran out of GPU memory."


def test_alerts_by_type_and_what_was_noisy():
    counts = [
        AlertCount(AlertType.DISK_WARNING, Severity.WARNING, Status.RESOLVED, 7),
        AlertCount(AlertType.DISK_WARNING, Severity.CRITICAL, Status.FIRING, 1),
        AlertCount(AlertType.GPU_OOM, Severity.CRITICAL, Status.EVENT, 2),
    ]
    oom = alert(type=AlertType.GPU_OOM, starts_at=START + HOUR, job={"name": "gpt", "error": "CUDA out of\n memory"})
    made = build(alerts=counts, noisy=[(7, alert())], memory=[oom], firing=[alert(starts_at=START - DAY)])
    assert made["alerts"]["total"] == 10
    assert made["alerts"]["by_type"][0] == {"type": "disk_warning", "count": 8, "critical": 1, "firing": 1}
    assert made["out_of_memory"]["total"] == 2
    assert made["out_of_memory"]["listed"][0]["cause"] == "CUDA out of memory"
    lines = report_text.lines(made, BERLIN)
    assert "🔔 7 times: Disk 92 % full: /data" in lines
    assert "💥 01:00 gpt: CUDA out of memory" in lines
    assert "🔥 still firing since 2026-03-28 00:00: Disk 92 % full: /data" in lines
    assert "10 alerts, 3 critical." in report_text.summary(made)


def test_disks_with_their_trend():
    looks = [(50.0 + n, Room(START + n * HOUR, 1000 - 20 * n, 0)) for n in range(23)]
    (disk,) = build(disks={"/data": looks})["disks"]
    assert (disk["used_percent"], disk["change_percent"], disk["free_bytes"]) == (72.0, 22.0, 560)
    assert disk["full_in_seconds"] == pytest.approx(28 * 3600)


def test_delivery_and_what_was_not_sent():
    counts = [
        DeliveryCount("team", "slack", DeliveryState.DELIVERED, "", 12, 2),
        DeliveryCount("team", "slack", DeliveryState.SUPERSEDED, "superseded_by", 3, 0),
        DeliveryCount("team", "slack", DeliveryState.SUPPRESSED, "not_taken", 9, 0),
        DeliveryCount("team", "slack", DeliveryState.SUPPRESSED, "silenced_by", 4, 0),
        DeliveryCount("mail", "email", DeliveryState.DEAD, "too_old", 1, 1),
        DeliveryCount("mail", "email", DeliveryState.QUEUED, "", 5, 1),
    ]
    made = build(deliveries=counts, held=[("team", "cooldown", 6)])
    mail, team = made["channels"]
    assert (team["delivered"], team["repeated"], team["dead"]) == (12, 2, 0)
    assert (mail["delivered"], mail["waiting"], mail["dead"]) == (0, 5, 1)
    assert [(item["channel"], item["reason"], item["count"]) for item in made["left_out"]] == [
        ("team", "silenced_by", 4), ("mail", "too_old", 1),
    ]  # fmt: skip
    assert made["held"][0]["explanation"] == "the channel was told of the same condition a short while ago"
    assert "📡 mail: 1 given up, 5 waiting" in report_text.lines(made, BERLIN)


def test_when_no_agent_ran():
    lives = [(START - DAY, START + 2 * HOUR), (START + 3 * HOUR, START + 4 * HOUR), (START + 4 * HOUR + MINUTE, END)]
    made = build(lives=lives)["agent"]
    assert made["down_seconds"] == 3600
    assert made["down"] == [{"from": "2026-03-29T01:00:00.000Z", "until": "2026-03-29T02:00:00.000Z"}]


def test_nothing_is_said_of_the_time_before_the_first_agent():
    made = build(lives=[(START + 5 * HOUR, END)])["agent"]
    assert (made["watched_from"], made["down_seconds"]) == ("2026-03-29T04:00:00.000Z", 0)


def test_a_late_report_says_so():
    assert build()["late_seconds"] is None
    assert "Made 20h 00m late." in report_text.summary(build(made_at=SUNDAY.due_at + 20 * HOUR))


def test_the_largest_report_stays_small():
    long = "x" * 5_000
    jobs = (job(f"{long}{n}", JobState.FAILED) for n in range(200))
    noisy = [(9, alert(title=long))] * 5
    memory = [alert(type=AlertType.GPU_OOM, title=long, advice=long, evidence=(long,))] * 50
    disks = {f"/{long}{n}": [(50.0, Room(START, 1, 1))] for n in range(100)}
    gpus = {f"GPU-{n}": Usage(held=1.0) for n in range(100)}
    made = build(jobs=jobs, noisy=noisy, memory=memory, disks=disks, by_gpu=gpus)
    assert len(json.dumps(made)) < 32 * 1024
    assert sum(map(len, report_text.lines(made, BERLIN))) < 2_000


# --- bounds --------------------------------------------------------------------------------------------------------


def busy(text, days=30, jobs=1_000):
    """What a store may hold of a month in which everything happens, `text` being whatever others named."""
    failed = {"state": JobState.FAILED, "error": text, "held": (HeldGpu(0, "GPU-0", text),)}
    oom = alert(type=AlertType.GPU_OOM, title=text, job={"name": text, "error": text}, advice=text)
    states = [(state, f"reason_{number}") for state in DeliveryState for number in range(9)]
    return {
        "jobs": (job(f"{number:06d}{text}", hours=number % 50, **failed) for number in range(jobs)),
        "by_job": {f"job-{number}": Usage(held=7200.0) for number in range(jobs)},
        "by_gpu": {f"GPU-{n}": Usage(1e6, 1e6, 1e6, 1e6, 1e6, 1e9, 1 << 40) for n in range(64)},
        "alerts": [AlertCount(kind, grade, how, 9_999) for kind in AlertType for grade in Severity for how in Status],
        "noisy": [(999, oom)] * 99,
        "firing": [alert(title=text)] * 99,
        "memory": [oom] * 99,
        "disks": {f"/{n}{text}": [(50.0, Room(START, 1 << 50, 0))] * (24 * days) for n in range(99)},
        "deliveries": [DeliveryCount(f"{n}{text}", "slack", *how, 9, 1) for n in range(40) for how in states],
        "held": [(text, "quiet_hours", n) for n in range(99)],
        "lives": [(START + n * HOUR, START + n * HOUR + MINUTE) for n in range(24 * days)],
    }


@pytest.mark.parametrize("text", ["run of an ordinary name", "x" * 5_000, "模" * 200, "😀" * 5_000, "\udcff" * 200])
def test_a_month_of_everything_fits_into_an_alert_and_shows_as_a_mail(text):
    made = build(period=WEEK, **busy(text))
    assert len(dump(made)) <= report.LIMIT
    assert (len(made["jobs"]["listed"]), made["jobs"]["more"], made["more"]["disks"]) == (MOST_JOBS, 980, 83)
    event = report_alert.made(made, BERLIN, END)
    told = report_alert.alert_of(event, event.fact, "n1")
    kept = bounded(replace(told, labels=told.labels | {f"label_{n}": text for n in range(9)}))
    assert len(dump(kept)) <= bounds.LIMIT
    assert kept.report == made
    shown = [table.title for table in report_text.tables(kept.report, BERLIN)]
    assert {"Jobs", "GPUs", "Out of memory", "Disks", "Delivery", "Held back", "Not sent"} <= set(shown)


def test_an_ordinary_month_is_not_cut_at_all():
    made = build(period=WEEK, **busy("run of an ordinary name"))
    assert "(cut)" not in json.dumps(made, ensure_ascii=False)
    told = report_alert.made(made, BERLIN, END)
    whole = report_alert.alert_of(told, told.fact, "n1")
    assert bounded(whole) is whole


def test_what_a_section_leaves_out_is_said():
    made = build(**busy("x"))
    assert "83 more are not listed." in text(made)
    assert (len(made["channels"]), made["more"]["channels"]) == (16, 24)
    older = {key: value for key, value in made.items() if key != "more"}
    assert "83 more are not listed." not in text(older)
