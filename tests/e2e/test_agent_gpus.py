"""A real daemon on a fake GPU driver that fails in every way: what is told, and that nothing else waits for it."""

import json

import pytest

from tests.support.agent import until

CONFIG = """
[sources.gpu]
interval = "1s"
slow_interval = "1s"
[sources.kernel]
enabled = false
[channels.hook]
type = "webhook"
url = "{url}"
alerts = ["gpu_error", "gpu_degraded", "job_cancelled"]
"""


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
