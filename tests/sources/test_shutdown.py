"""A scheduled shutdown, in files as systemd-logind writes them."""

import pytest

from agent.core.ports import Unavailable
from agent.sources.shutdown import ShutdownSource
from tests.support.clock import START, ManualClock

USEC = f"{START // 1000 + 3600}000000"
REBOOT = f"USEC={USEC}\nWARN_WALL=1\nMODE=reboot\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shutdown" / "scheduled"


@pytest.fixture
def look(path):
    source, clock = ShutdownSource(path), ManualClock()

    def read():
        (sample,) = source.read(clock.now()).samples
        return sample.value, dict(sample.labels)

    return read


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_without_systemd_nothing_is_scheduled(look):
    assert look() == (0, {"mode": ""})


def test_it_is_seen_when_it_is_scheduled_and_gone_when_it_is_called_off(look, path):
    path.parent.mkdir()
    assert look() == (0, {"mode": ""})
    write(path, REBOOT)
    assert look() == (START // 1000 + 3600, {"mode": "reboot"})
    path.unlink()
    assert look() == (0, {"mode": ""})


@pytest.mark.parametrize(
    "content",
    [
        REBOOT + "UID=0\nTTY=pts/3\n",
        REBOOT + "WALL_MESSAGE=new kernel\\nMODE\\x3dhalt\n",
        REBOOT.encode() + b"WALL_MESSAGE=\xff\xfe=\n",
        REBOOT + "WALL_MESSAGE=" + "x" * 100_000,
    ],
)
def test_what_else_stands_there_matters_not(look, path, content):
    write(path, content)
    assert look() == (START // 1000 + 3600, {"mode": "reboot"})


@pytest.mark.parametrize(
    "content", ["", "\n\n", "USEC=\n", "USEC=soon\n", "USEC=-5\n", f"USEC={2**64 - 1}\n", b"\0" * 50, "MODE=halt"]
)
def test_what_names_no_time_is_said_to_be_unreadable(look, path, content):
    write(path, content)
    with pytest.raises(Unavailable, match="names no time"):
        look()


def test_the_path_of_this_machine_can_be_looked_at():
    (sample,) = ShutdownSource().read(ManualClock().now()).samples
    assert sample.value >= 0
