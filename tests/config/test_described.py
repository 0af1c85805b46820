"""What the user's tables say of jobs that were found."""

import os
import pwd

import pytest

from agent import app, described
from agent.config.load import load
from agent.core.job import Job, Process
from agent.sources.processes.settings import Described

TABLES = """
[[jobs.job]]
name = "nightly"
command = 'train\\.py --night'
model = "resnet50"
stall_after = "2h"

[[jobs.job]]
name = "daily"
pid_file = "/run/daily.pid"

[[jobs.job]]
name = "logged"
log = "/data/*.log"
link = "https://example.com/{job_id}"
"""


@pytest.fixture
def loaded(tmp_path):
    def make(text):
        config = tmp_path / "config.toml"
        config.write_text(text)
        return load(config=config, state_dir=tmp_path, environ={"HOME": "/"}, schema=app.schema())

    return make


def job(name="train.py", **changes):
    return Job("job-1", ("key",), name, 0, **changes)


def test_processes_and_logs_are_handed_to_their_sources(loaded):
    settings = loaded(TABLES)
    assert described.processes(settings) == (
        Described("nightly", None, r"train\.py --night"), Described("daily", "/run/daily.pid")
    )  # fmt: skip
    assert described.globs(settings) == ["/data/*.log"]


def test_a_job_that_a_table_named_by_its_process_is_completed(loaded):
    settings = loaded(TABLES)
    named = job("nightly", process=Process("boot", 7, 1), model="m")
    assert described.complete(named, settings).model == "resnet50"
    assert described.stall_limits(named, settings).stall_after == 2 * 3_600_000
    assert described.complete(job("nightly"), settings) == job("nightly")


def test_a_job_is_known_by_its_log_whatever_it_is_called(loaded):
    found = described.complete(job(log="/data/a.log", model="m"), loaded(TABLES))
    assert (found.name, found.model, found.link) == ("logged", "m", "https://example.com/{job_id}")


def test_who_runs_a_job_is_told_only_if_asked_for(loaded):
    mine = job(uid=os.getuid())
    assert described.complete(mine, loaded("")).user is None
    asked = loaded("[agent]\ninclude_user = true\n")
    assert described.complete(mine, asked).user == pwd.getpwuid(os.getuid()).pw_name
    assert described.complete(job(uid=4_000_000), asked).user == "4000000"
    assert described.complete(job(), asked).user is None
