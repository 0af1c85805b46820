"""The first lines of `run`, where they depend on more than a setting."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.banner import banner
from agent.config.listen import Address
from agent.core.policy.windows import QuietHours
from agent.sources.gpu import library


@pytest.fixture
def lines(tmp_path):
    """Say the first lines of an agent with its defaults."""
    from agent.app import schema
    from agent.config.load import load

    loaded = load(config=None, state_dir=tmp_path, environ={"HOME": str(tmp_path)}, schema=schema())
    opened = SimpleNamespace(damaged_aside=None, warnings=())

    def _lines(address=None, absent=()):
        return list(banner(loaded, (), (), dict(absent), address, opened, QuietHours(()), 0))

    return _lines


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (None, "off ([server] enabled)"),
        (Address("127.0.0.1", 19400), "http://127.0.0.1:19400/metrics"),
        (Address(path=Path("/run/gpuwarden.sock")), "/metrics at unix:/run/gpuwarden.sock"),
    ],
)
def test_where_metrics_are(lines, address, words):
    assert f"metrics and health: {words}" in lines(address)


def test_what_is_not_watched_is_said_once(lines, monkeypatch):
    monkeypatch.setattr(library, "present", lambda: False)
    told = lines(absent=[("gpu", library.ABSENT), ("kernel", "/dev/kmsg may not be read: run as root")])
    assert "kernel: /dev/kmsg may not be read: run as root" in told
    assert [line for line in told if library.ABSENT in line] == [library.ABSENT]
