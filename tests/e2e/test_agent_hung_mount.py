"""A mount that stops answering, under a real daemon: everything else keeps its pace, and the agent ends and starts."""

import json

import pytest

from tests.support import fuse
from tests.support.agent import until

pytestmark = pytest.mark.skipif(not fuse.possible(), reason="needs root and /dev/fuse")

CONFIG = """
[sources.disk]
interval = "1s"
paths = ["/", "{mount}", "{other}"]
[sources.logs]
paths = ["{mount}/*.log", "{other}/*.log", "{local}"]
start = "beginning"
[channels.hook]
type = "webhook"
url = "{url}"
alerts = ["disk_warning", "job_cancelled"]
"""


@pytest.fixture
def mount(tmp_path):
    mount = fuse.FuseMount(tmp_path / "dead")
    yield mount
    mount.close()


@pytest.fixture
def other(tmp_path):
    other = fuse.FuseMount(tmp_path / "alive")
    yield other
    other.close()


def told(hook, alert_type, status):
    bodies = [json.loads(item.body) for item in list(hook.received)]
    return [body["data"] for body in bodies if body["type"] == alert_type and body["data"]["status"] == status]


def steps(agent):
    """The steps of the running jobs."""
    lines = agent.get("/metrics").text.splitlines()
    return sorted(float(line.rpartition(" ")[2]) for line in lines if line.startswith("gpuwarden_training_job_step{"))


def measured(agent, mount):
    series = [line for line in agent.get("/metrics").text.splitlines() if f'mountpoint="{mount.folder}"' in line]
    return any(line.startswith("gpuwarden_filesystem_avail_bytes{") for line in series)


def test_a_mount_that_hangs_is_told_and_keeps_nobody_waiting(agents, hook, mount, other, tmp_path):
    local = tmp_path / "local.log"
    local.write_text("step 1/100 loss 0.5\n")
    mount.append("step 41/100 loss 0.5\n")
    other.append("step 61/100 loss 0.5\n")
    agent = agents(CONFIG.format(mount=mount.folder, other=other.folder, local=local, url=hook.url)).start()
    until(lambda: measured(agent, mount) and measured(agent, other), "the mounts to be measured")
    until(lambda: steps(agent) == [1, 41, 61], "all logs to be read")

    mount.hang()
    for step in (2, 3, 4):
        with local.open("a") as file:
            file.write(f"step {step}/100 loss 0.5\n")
        other.append(f"step {60 + step}/100 loss 0.5\n")
        until(lambda step=step: steps(agent) == [step, 41, 60 + step], f"step {step} of the other logs")
    agent.run("emit", "job_cancelled", "--job", "j1")
    until(lambda: told(hook, "job_cancelled", "event"), "another alert to be delivered")
    (warned,) = until(lambda: told(hook, "disk_warning", "firing"), "the warning about the mount", 60)
    assert warned["title"] == f"Mount does not answer: {mount.folder}"
    assert warned["severity"] == "warning"

    assert agent.stop(patience=15.0) == 0
    agent.start()
    assert agent.get("/healthz").status_code == 200
    mount.append("step 42/100 loss 0.5\n")
    mount.answer()
    (resolved,) = until(lambda: told(hook, "disk_warning", "resolved"), "the end of the warning", 60)
    assert resolved["id"] == warned["id"]
    until(lambda: steps(agent) == [4, 42, 64], "the log on the mount to be read on")
    assert agent.stop() == 0
