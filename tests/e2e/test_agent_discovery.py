"""Training that nobody told the agent of: found by its processes, read where it writes, judged once."""

import json
import subprocess
import sys

import pytest

from tests.e2e.conftest import TRAIN
from tests.support.agent import until
from tests.support.standin import StandIn

CHANNEL = """
[channels.hook]
type = "webhook"
url = "{hook}"
alerts = ["job_started", "job_completed", "job_failed", "gpu_oom", "host_oom", "job_cancelled"]
[sources.processes]
interval = "1s"
"""
LAUNCHER = """
import os, subprocess, sys
place = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}
ranks = [
    subprocess.Popen([sys.executable, *sys.argv[1:]], env=os.environ | place | {"RANK": rank, "LOCAL_RANK": rank})
    for rank in "01"
]
sys.exit(max([rank.wait() for rank in ranks]))
"""
"""What torchrun does, as far as it is seen from outside."""


def bodies(hook, alert_type):
    return [body for item in hook.received for body in [json.loads(item.body)] if body["type"] == alert_type]


@pytest.fixture
def agent(agents, hook: StandIn):
    return agents(CHANNEL.format(hook=hook.url)).start()


@pytest.fixture
def shell(tmp_path):
    """Runs lines of shell in sessions of their own; what still runs at the end is killed."""
    started = []

    def run(line):
        started.append(subprocess.Popen(["/bin/sh", "-c", line], cwd=tmp_path, start_new_session=True))
        return started[-1]

    yield run
    for process in started:
        subprocess.run(["pkill", "-9", "-s", str(process.pid)], check=False)
        process.wait()


def train(*options):
    return " ".join((*TRAIN, *options))


def jobs(agent):
    return json.loads(agent.run("status", "--json").stdout)["jobs"]


def test_a_script_with_its_output_in_a_file_is_a_job_and_its_failure_one_alert(agent, hook, shell, tmp_path):
    shell(f"exec {train('--steps', '300', '--at', '200:oom', '--pace', '0.05')} > train.log 2>&1")
    (job,) = until(lambda: jobs(agent), "the job")
    assert (job["name"], job["log"]) == ("train.py", str(tmp_path / "train.log"))
    (failed,) = until(lambda: bodies(hook, "job_failed"), "the failure")
    told = failed["data"]["job"]
    assert (told["id"], told["name"], told["reason"], told["step"]) == (job["id"], "train.py", "gpu_oom", 200)
    assert told["exit_code"] in (1, None)
    assert [len(bodies(hook, kind)) for kind in ("job_started", "job_failed", "gpu_oom")] == [1, 1, 0]


def test_a_launcher_and_its_ranks_are_one_job_behind_tee(agent, hook, shell, tmp_path):
    launcher = tmp_path / "torchrun"
    launcher.write_text(LAUNCHER)
    options = train("--steps", "120", "--at", "100:error", "--pace", "0.05").removeprefix(f"{sys.executable} ")
    shell(f"{sys.executable} {launcher} {options} 2>&1 | tee run.log > /dev/null")
    (job,) = until(lambda: jobs(agent), "the job")
    (failed,) = until(lambda: bodies(hook, "job_failed"), "the failure")
    assert job["log"] == str(tmp_path / "run.log")
    assert (failed["data"]["job"]["id"], failed["data"]["job"]["reason"]) == (job["id"], "crash")
    assert [len(bodies(hook, kind)) for kind in ("job_started", "job_failed")] == [1, 1]


def test_why_something_is_no_job_and_a_log_is_not_read(agent, shell):
    shell(f"exec {sys.executable} -c 'import time; time.sleep(60)'")
    shell(f"exec {train('--at', '0:hang')} > /dev/null 2>&1")

    def told():
        text = agent.run("status", "--why").stdout
        return text if "train.py" in text and "python" in text else None

    text = until(told, "both")
    assert "no job: is a command given to Python as text" in text
    assert "no job: no launcher started it, it holds no GPU, and no log of it shows training progress" in text
    assert "is thrown away (/dev/null): start it with `> train.log 2>&1`" in text
