"""The channel and a real Alertmanager: two instances of which one is down, and a restart in the middle."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from datetime import datetime

import pytest

from agent.core.model import AlertType, Severity, Status
from agent.core.policy.model import Recipient
from tests.channels.conftest import _closed_clients  # noqa: F401 - a fixture
from tests.channels.samples import channel
from tests.support.clock import ManualClock
from tests.support.timeline import Node

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        shutil.which("prometheus-alertmanager") is None, reason="needs prometheus-alertmanager (package of that name)"
    ),
]

CONFIG = "route: {receiver: none}\nreceivers: [{name: none}]\n"
PATIENCE = 30.0
LABELS = {"mountpoint": "/data"}


class Alertmanager:
    """One instance on the loopback interface, by itself."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._folder = folder
        folder.mkdir()
        (folder / "config.yml").write_text(CONFIG)
        self._process = None

    def start(self):
        command = [
            "prometheus-alertmanager", "--config.file=config.yml", "--storage.path=data", "--cluster.listen-address=",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                return self._get("/-/ready")
            except OSError:
                time.sleep(0.05)
        raise AssertionError("Alertmanager did not become ready")

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def alerts(self):
        """Severity and end of what fires, by name."""
        found = json.loads(self._get("/api/v2/alerts"))
        return {item["labels"]["alertname"]: (item["labels"]["severity"], item["endsAt"]) for item in found}

    def _get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return answer.read()


@pytest.fixture
def instances(tmp_path):
    made = [Alertmanager(tmp_path / name) for name in ("one", "two")]
    yield made
    for item in made:
        item.kill()


@pytest.fixture
def clock():
    return ManualClock(wall=time.time_ns() // 1_000_000)


@pytest.fixture
def node(tmp_path, instances, clock):
    made = channel({"type": "alertmanager", "urls": [item.url for item in instances]}, clock=clock)
    recipient = Recipient("am", "alertmanager", min_severity=Severity.WARNING, stateful=True)
    node = Node(tmp_path / "state", clock, recipient, channels={"am": made})
    yield node
    node.close()


def test_alerts_come_back_after_a_restart_and_end(node, instances, clock):
    one, two = instances
    one.start()
    assert node.channels["am"].probe() == "1 of 2 instances are ready"
    node.emit(AlertType.DISK_WARNING, labels=LABELS)
    node.emit(AlertType.JOB_FAILED, job={"id": "j"})
    node.run(1)
    assert one.alerts().keys() == {"disk_warning", "job_failed"}

    one.kill()  # with all its memory
    two.start()
    node.run(61)
    assert two.alerts().keys() == {"disk_warning", "job_failed"}
    one.start()
    assert one.alerts() == {}
    node.run(61)
    assert one.alerts().keys() == {"disk_warning", "job_failed"}

    ends = datetime.fromisoformat(one.alerts()["disk_warning"][1]).timestamp() * 1000
    assert 0 < ends - clock.now().wall <= 240_000

    node.emit(AlertType.DISK_WARNING, severity=Severity.CRITICAL, labels=LABELS)
    node.run(11)
    assert two.alerts()["disk_warning"][0] == "critical"


def test_what_is_over_ends_everywhere(node, instances):
    for item in instances:
        item.start()
    node.emit(AlertType.DISK_WARNING, labels=LABELS)
    node.emit(AlertType.GPU_OOM, job={"id": "j"})
    node.run(1)
    assert all(len(item.alerts()) == 2 for item in instances)
    node.emit(AlertType.DISK_WARNING, Status.RESOLVED, labels=LABELS)
    node.emit(AlertType.JOB_COMPLETED, job={"id": "j", "state": "completed"})
    node.settle()
    time.sleep(1.5)  # the test's clock is ahead, and an end in its future is none for Alertmanager
    node.run(11)
    assert [item.alerts() for item in instances] == [{}, {}]
