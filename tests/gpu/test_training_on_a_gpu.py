"""Real failures of real programs on a real GPU, to the alert that a channel receives."""

import json
import os
import subprocess

import pytest

from tests.support.agent import COMMAND, until

CONFIG = """
[sources.gpu]
interval = "1s"
[sources.processes]
enabled = true
[channels.hook]
type = "webhook"
url = "{url}"
alerts = ["job_failed", "timeout_warning"]
"""


@pytest.fixture
def node(agents, hook, gpus):
    """A daemon that has seen the GPUs."""
    agent = agents(CONFIG.format(url=hook.url)).start()
    agent.hook = hook
    index, uuid, _ = gpus[-1]
    until(lambda: agent.metric(f'gpuwarden_gpu_up{{gpu="{index}",uuid="{uuid}"}}') == 1, "the GPUs to be seen")
    return agent


@pytest.fixture
def training(node, gpus):
    """Runs a program as a job on the last GPU, which the program itself calls 0."""
    started = []

    def run(command):
        log = node.folder / "train.log"
        environ = node.environ | {"CUDA_VISIBLE_DEVICES": gpus[-1][0], "GPUWARDEN_CONFIG": str(node.config)}
        wrapped = [*COMMAND, "exec", "--name", "train.py", "--log", str(log), "--", *command]
        started.append(subprocess.Popen(wrapped, env=os.environ | environ, stdout=subprocess.DEVNULL))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
        process.wait(30)


def told(node, alert_type):
    bodies = [json.loads(item.body) for item in list(node.hook.received)]
    return [body["data"] for body in bodies if body["type"] == alert_type]


@pytest.mark.timeout(600)
def test_memory_that_runs_out_is_told_with_the_gpu_and_its_past(node, training, program, gpus):
    process = training(program("fills.py"))
    assert process.wait(300) != 0
    (failed,) = until(lambda: told(node, "job_failed"), "the alert")

    index, uuid, name = gpus[-1]
    assert (failed["job"]["reason"], failed["job"]["gpus"]) == ("gpu_oom", [int(index)])
    assert failed["gpu"] == {"index": int(index), "uuid": uuid, "name": name}
    assert "ran out of GPU memory" in failed["message"]
    assert f"It was GPU {index} of the node" in failed["message"]
    assert "were asked for with" in failed["message"]
    assert any(line.startswith("GPU memory over ") for line in failed["evidence"])
    assert failed["advice"]


@pytest.mark.timeout(600)
def test_a_gpu_that_spins_is_a_hang_within_three_minutes(node, training, program):
    process = training(program("hangs.py"))
    (hang,) = until(lambda: told(node, "timeout_warning"), "the alert", 30 + 180 + 60)

    assert process.poll() is None
    assert hang["title"] == "Training hangs"
    assert "fully busy at" in hang["message"]
    assert "a collective operation hangs" in hang["message"]
