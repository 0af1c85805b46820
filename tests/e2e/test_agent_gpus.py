"""A real daemon on a fake GPU driver that fails in every way: what is told, and that nothing else waits for it."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.agent import until

CONFIG = """
[rate_limit]
burst = 30
[sources.gpu]
interval = "1s"
slow_interval = "1s"
[sources.disk]
interval = "1s"
[sources.kernel]
enabled = false
[channels.hook]
type = "webhook"
url = "{url}"
alerts = ["gpu_error", "gpu_degraded", "job_cancelled"]
"""


DISK_LOOKS = 'gpuwarden_collect_duration_seconds_count{collector="disk"}'


def told(hook, alert_type, status):
    bodies = [json.loads(item.body) for item in list(hook.received)]
    return [body["data"] for body in bodies if body["type"] == alert_type and body["data"]["status"] == status]


@pytest.fixture
def node(agents, hook, drivers):
    """A daemon with eight GPUs, once it has looked at them."""
    driver = drivers(8)
    agent = agents(CONFIG.format(url=hook.url), **driver.environ).start()
    agent.hook, agent.driver = hook, driver
    until(lambda: up(agent, 7) == 1, "the GPUs to be seen")
    return agent


def up(agent, gpu):
    uuid = agent.driver[gpu].uuid.decode()
    return agent.metric(f'gpuwarden_gpu_up{{gpu="{gpu}",uuid="{uuid}"}}')


def test_one_lost_gpu_among_eight_is_told_once_and_so_is_its_return(node):
    node.driver[3].lost = 1
    (fired,) = until(lambda: told(node.hook, "gpu_error", "firing"), "the alert")

    assert fired["severity"] == "critical"
    assert fired["title"] == "GPU lost: GPU 3"
    assert fired["gpu"] == {"index": 3, "uuid": node.driver[3].uuid.decode(), "name": "NVIDIA H100 80GB HBM3"}
    until(lambda: up(node, 3) == 0, "the lost GPU to be shown")
    assert [up(node, gpu) for gpu in (0, 1, 2, 4, 5, 6, 7)] == [1] * 7
    assert len(told(node.hook, "gpu_error", "firing")) == 1

    node.driver[3].lost = 0
    node.stop()
    node.start()  # which asks the GPU again at once, and not after a minute
    (over,) = until(lambda: told(node.hook, "gpu_error", "resolved"), "the end of the alert")
    assert over["id"] == fired["id"]
    assert len(told(node.hook, "gpu_error", "firing")) == 1


def test_a_driver_that_hangs_keeps_nobody_else_waiting(node):
    node.driver.fail("nvmlDeviceGetPowerUsage", device=5, block_ms=120_000)
    looks = node.metric(DISK_LOOKS)
    for number in range(3):
        node.run("emit", "job_cancelled", "--job", f"j{number}")
        until(lambda number=number: len(told(node.hook, "job_cancelled", "event")) > number, "another alert", 5)
    (fired,) = until(lambda: told(node.hook, "gpu_error", "firing"), "the alert")

    assert fired["title"] == "The GPU driver does not answer"
    assert "GPU 5 (NVIDIA H100 80GB HBM3, 0000:0a:00): no answer within 10 s" in fired["message"]
    assert node.metric("gpuwarden_nvml_hang") == 1
    assert [up(node, gpu) for gpu in range(8)] == [0] * 8
    assert node.metric(DISK_LOOKS) > looks
    assert node.get("/readyz").status_code == 200
    status = json.loads(node.run("status", "--json").stdout)
    assert (status["driver"]["state"], len(status["gpus"])) == ("hung", 8)

    node.driver.heal()
    until(lambda: told(node.hook, "gpu_error", "resolved"), "the end of the alert")
    assert len(told(node.hook, "gpu_error", "firing")) == 1
    assert node.history("--type", "agent_degraded") == []


def test_an_agent_whose_driver_hangs_ends_in_time_and_leaves_nobody_behind(node):
    (child,) = children(node)
    calls = node.driver.calls
    node.driver.fail("nvmlDeviceGetPowerUsage", block_ms=120_000)
    until(lambda: node.driver.calls > calls, "the next look")

    assert node.stop(patience=15.0) == 0
    until(lambda: not command(child), "the child to end")


def test_a_child_that_is_killed_is_replaced_and_nobody_is_bothered(node):
    (child,) = children(node)
    os.kill(child, signal.SIGKILL)
    until(lambda: children(node) not in ([], [child]) and up(node, 7) == 1, "another child")

    assert node.history() == []


def test_pause_lets_go_of_the_driver_and_resume_takes_it_up_again(node):
    (child,) = children(node)
    assert "has let go of the GPU driver" in node.run("gpus", "pause").stdout
    assert children(node) == []
    assert "GPU driver 580.65.06: paused" in node.run("status").stdout
    node.stop()
    node.start()
    until(lambda: json.loads(node.run("status", "--json").stdout)["driver"], "the source to have looked")
    assert children(node) == []

    assert node.run("gpus", "resume").stdout == "the agent watches the GPUs again\n"
    assert len(children(node)) == 1
    assert child not in children(node)


def test_the_page_is_clean_and_a_scrape_never_calls_the_driver(node):
    (child,) = children(node)
    os.kill(child, signal.SIGSTOP)  # or a look of its own falls between
    calls = node.driver.calls
    page = node.get("/metrics").text
    assert node.driver.calls == calls
    os.kill(child, signal.SIGCONT)
    assert page.count("gpuwarden_gpu_up{") == 8
    assert "gpuwarden_gpu_xid" not in page.replace("# ", "")


def test_one_look_without_an_agent(agents, drivers):
    driver = drivers(2)
    agent = agents("", **driver.environ)
    found = [json.loads(line) for line in agent.run("gpus", "--json").stdout.splitlines()]
    assert [(gpu["index"], gpu["state"], gpu["power_watts"]) for gpu in found] == [(0, "ok", 72), (1, "ok", 72)]

    driver[1].lost = 1
    done = agent.run("gpus", check=False)
    assert (done.returncode, "GPU driver 580.65.06: running" in done.stdout) == (1, True)
    none = agents("", LD_LIBRARY_PATH="").run("gpus", check=False)
    assert (none.returncode, "no NVIDIA driver library" in none.stderr) == (1, True)


def test_the_kernels_word_is_believed_and_a_programs_imitation_is_not(agents, hook, drivers, tmp_path):
    driver, kmsg = drivers(8), tmp_path / "kmsg"
    os.mkfifo(kmsg)
    writer = os.open(kmsg, os.O_RDWR | os.O_NONBLOCK)
    config = CONFIG.format(url=hook.url).replace("enabled = false", f'interval = "1s"\npath = "{kmsg}"')
    agent = agents(config, **driver.environ).start()
    agent.hook, agent.driver = hook, driver
    until(lambda: up(agent, 7) == 1, "the GPUs to be seen")

    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    for sequence, (priority, number) in enumerate([(12, 62), (4, 48), (12, 119)]):
        text = f"NVRM: Xid (PCI:0000:08:00): {number}, pid=7, name=python3, and so on"
        os.write(writer, f"{priority},{sequence},{now},-;{text}\n".encode())
    (fired,) = until(lambda: told(hook, "gpu_error", "firing"), "the alert")
    agent.run("emit", "job_cancelled", "--job", "later")
    until(lambda: told(hook, "job_cancelled", "event"), "whatever else would have come")
    os.close(writer)

    assert (fired["title"], fired["gpu"]["index"]) == ("Xid 48: double-bit ECC error", 3)
    assert "The kernel said: NVRM: Xid (PCI:0000:08:00): 48" in fired["message"]
    assert len(told(hook, "gpu_error", "firing")) == 1
    uuid = driver[3].uuid.decode()
    assert agent.metric(f'gpuwarden_gpu_xid_errors_total{{gpu="3",uuid="{uuid}",xid="48"}}') == 1


def children(node):
    """The pids of the agent's children that ask the driver."""
    listings = Path(f"/proc/{node.process.pid}/task").glob("*/children")
    pids = {int(pid) for path in listings for pid in path.read_text(encoding="ascii").split()}
    return [pid for pid in sorted(pids) if b"agent.sources.gpu" in command(pid)]


def command(pid):
    with suppress(OSError):  # it has just ended
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
