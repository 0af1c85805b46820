"""Training that nobody told the agent of: found by its processes, read where it writes, judged once.

Each test names its script, as anything else that trains on this machine is found, too.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import TRAIN
from tests.support.agent import until

CONFIGURATION = """
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
HUNGRY = """
import os, time
step = 0
while not os.path.exists("go"):
    step += 1
    print(f"step {step}/10000 loss 0.5", flush=True)
    time.sleep(0.1)
kept = [bytearray(1 << 20) for _ in range(256)]
"""
"""Trains until it is told to take more memory than there is."""


class Node:
    """An agent, a folder in which commands are run in sessions of their own, and what is told of one script."""

    def __init__(self, agent, hook, folder, name):
        self.agent, self.hook, self.folder, self.name = agent, hook, folder, name
        self.started = []
        shutil.copy(TRAIN[1], folder / name)

    def shell(self, line):
        words = line.replace("PYTHON", sys.executable).replace("TRAIN", self.name)
        self.started.append(subprocess.Popen(["/bin/sh", "-c", words], cwd=self.folder, start_new_session=True))

    def told(self):
        """The types of alerts about the script, in the order of their arrival, and the last failure."""
        bodies = [json.loads(item.body) for item in self.hook.received]
        own = [body for body in bodies if (body["data"]["job"] or {}).get("name") == self.name]
        failed = (body["data"] for body in own if body["type"] == "job_failed")
        return [body["type"] for body in own], next(failed, None)

    def job(self):
        jobs = json.loads(self.agent.run("status", "--json").stdout)["jobs"]
        return next((job for job in jobs if job["name"] == self.name), None)

    def failure(self):
        return until(lambda: self.told()[1], "the failure")

    def close(self):
        for process in self.started:
            subprocess.run(["pkill", "-9", "-s", str(process.pid)], check=False)
            process.wait()


@pytest.fixture
def node(agents, hook, tmp_path, request):
    agent = agents(CONFIGURATION.format(hook=hook.url)).start()
    node = Node(agent, hook, tmp_path, f"{request.node.name[5:25]}.py")
    yield node
    node.close()


def test_lone_script_with_its_output_in_a_file_is_a_job_and_its_failure_one_alert(node):
    node.shell("exec PYTHON TRAIN --steps 300 --at 200:oom --pace 0.03 > train.log 2>&1")
    job = until(node.job, "the job")
    assert job["log"] == str(node.folder / "train.log")
    failed = node.failure()
    assert (failed["job"]["id"], failed["job"]["reason"], failed["job"]["step"]) == (job["id"], "gpu_oom", 200)
    assert node.told()[0] == ["job_started", "job_failed"]


def test_torchrun_and_its_ranks_are_one_job_behind_tee(node):
    (node.folder / "torchrun").write_text(LAUNCHER)
    node.shell("PYTHON torchrun TRAIN --steps 120 --at 100:error --pace 0.03 2>&1 | tee run.log > /dev/null")
    job = until(node.job, "the job")
    failed = node.failure()
    assert job["log"] == str(node.folder / "run.log")
    assert (failed["job"]["id"], failed["job"]["reason"]) == (job["id"], "crash")
    assert node.told()[0] == ["job_started", "job_failed"]


def test_why_it_is_no_job_and_its_log_is_not_read(node):
    node.shell("exec PYTHON TRAIN --at 0:hang > /dev/null 2>&1")
    text = until(lambda: (out := node.agent.run("status", "--why").stdout) and node.name in out and out, "the script")
    assert f"{node.name} (pid {node.started[0].pid}) is no job: no launcher started it, it holds no GPU" in text
    assert "is thrown away (/dev/null): start it with `> train.log 2>&1`" in text


def test_all_evidence_of_a_run_under_exec_is_about_one_job(node):
    (node.folder / "torchrun").write_text(LAUNCHER)
    agent = f"PYTHON -m agent --config {node.agent.config} exec --name {node.name} --log run.log"
    node.shell(f"{agent} -- PYTHON torchrun TRAIN --steps 150 --at 140:oom --pace 0.03 > /dev/null 2>&1")
    job = until(node.job, "the job")
    told = "is a job: started by torchrun"
    text = until(lambda: (out := node.agent.run("status", "--why").stdout) and told in out and out, "the launcher")
    assert f"{node.folder}/run.log, the standard output of {node.name}" in text
    failed = node.failure()
    assert (failed["job"]["id"], failed["job"]["reason"], failed["job"]["exit_code"]) == (job["id"], "gpu_oom", 1)
    assert node.told()[0] == ["job_started", "job_failed"]


@pytest.fixture
def narrow():
    """A real memory cgroup of 64 MiB."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line.split(":", 2)[2] for line in lines if line.split(":", 2)[1] == "memory"), None)
    group = Path(f"/sys/fs/cgroup/memory{own}/gpuwarden-e2e")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(64 << 20))
    except OSError:
        pytest.skip("no memory cgroup can be made here")
    yield group
    group.rmdir()


def test_a_kill_at_the_limit_of_a_cgroup_is_confirmed(narrow, node):
    (node.folder / node.name).write_text(HUNGRY)
    node.shell(f"echo $$ > {narrow}/cgroup.procs; exec PYTHON TRAIN > train.log 2>&1")
    until(node.job, "the job")
    (node.folder / "go").touch()
    job = node.failure()["job"]
    assert (job["reason"], job["signal"], job["verified"]) == ("host_oom", "SIGKILL", True)
    assert node.told()[0] == ["job_started", "job_failed"]
    for shell in node.started:
        shell.wait()
