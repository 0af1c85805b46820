"""A job that runs out of GPU memory, from the real binding on a fake driver to the message that is delivered."""

import json
import subprocess
import sys

from tests.support.agent import COMMAND, until
from tests.support.nvml import GIB

CONFIG = """
[sources.gpu]
interval = "1s"
[channels.hook]
type = "webhook"
url = "{url}"
alerts = ["job_failed"]
"""
TRAINING = """
import os, pathlib, time
class OutOfMemoryError(RuntimeError): pass
OutOfMemoryError.__module__ = "torch"
print("step 7/100 loss 0.5", flush=True)
pathlib.Path("pid").write_text(str(os.getpid()))
while not pathlib.Path("go").exists():
    time.sleep(0.02)
raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.40 GiB of "
    "which 1.00 GiB is free. Of the allocated memory 55.00 GiB is allocated by PyTorch, and 0.50 GiB is reserved by "
    "PyTorch but unallocated.")
"""


def test_the_alert_names_the_gpu_its_tenants_and_their_course(agents, hook, drivers):
    driver = drivers(2)
    agent = agents(CONFIG.format(url=hook.url), **driver.environ).start()
    uuid = driver[1].uuid.decode()
    (agent.folder / "train.py").write_text(TRAINING)
    command = [*COMMAND, "exec", "--log", "train.log", "--", sys.executable, "train.py"]
    environ = agent.environ | {"GPUWARDEN_CONFIG": str(agent.config)}
    with subprocess.Popen(command, cwd=agent.folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        pid = int(until(lambda: read(agent.folder / "pid"), "the training to start"))
        driver[1].run((pid, 40 * GIB), (1, 20 * GIB))
        looked(agent, uuid, 60)
        driver[1].run((pid, 58 * GIB), (1, 20 * GIB))
        looked(agent, uuid, 78)
        driver[1].run((1, 20 * GIB))
        (agent.folder / "go").touch()
    (item,) = until(lambda: list(hook.received), "the alert")

    alert = json.loads(item.body)["data"]
    assert alert["gpu"] == {"index": 1, "uuid": uuid, "name": "NVIDIA H100 80GB HBM3"}
    assert f"It was GPU 1 of the node (NVIDIA H100 80GB HBM3, {uuid}), which it counts as 0, in pid {pid}." in (
        alert["message"]
    )
    assert "Another program, pid 1 (" in alert["message"]
    title, own, other = alert["evidence"][-3:]
    assert title.startswith("GPU memory over ")
    assert own.startswith(f"pid {pid} ") and "(this job)" in own and own.endswith(" 58.0 GiB")
    assert other.startswith("pid 1 ") and other.endswith(" 20.0 GiB")
    assert alert["advice"].startswith("Another program holds memory on this GPU")


def read(path):
    return path.read_text() if path.exists() else ""


def looked(agent, uuid, used):
    line = f'gpuwarden_gpu_memory_used_bytes{{gpu="1",uuid="{uuid}"}}'
    until(lambda: agent.metric(line) == used * GIB, "a look at the GPU")
