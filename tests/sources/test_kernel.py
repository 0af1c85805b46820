"""The kernel source over a FIFO that stands for `/dev/kmsg`, on a clock that only the test moves."""

import os

import pytest

from agent.core.kernel_log import KernelKind
from agent.core.ports import Unavailable
from agent.sources.kernel import Config, KernelSource
from tests.support.clock import ManualClock

BOOT = "0f6c9d5e-1111-4222-8333-944455556666"
XID = "NVRM: Xid (PCI:0000:05:00): 79, GPU has fallen off the bus."


class Kernel:
    def __init__(self, path):
        self.path = path / "kmsg"
        os.mkfifo(self.path)
        self.hold = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.clock = ManualClock()
        self.checkpoint = {}
        self.begin(BOOT)

    def begin(self, boot):
        self.source = KernelSource(Config(path=self.path), boot_id=boot)
        self.source.restore(dict(self.checkpoint))

    def write(self, sequence, text, *, priority=4, ago=0.0):
        at = round((self.clock.now().monotonic - ago) * 1_000_000)
        os.write(self.hold, f"{priority},{sequence},{at},-;{text}\n".encode())

    def read(self, seconds=5.0):
        reading = self.source.read(self.clock.advance(seconds))
        self.checkpoint |= reading.checkpoint
        return reading

    def facts(self):
        return [event.fact for event in self.read().events]

    def close(self):
        self.source.close()
        os.close(self.hold)


@pytest.fixture
def kernel(tmp_path):
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.close()


def samples(reading):
    return {sample.name: sample.value for sample in reading.samples}


def test_a_line_becomes_a_fact_with_the_time_at_which_it_was_written(kernel):
    kernel.write(7, XID, ago=3)

    (fact,) = kernel.facts()

    assert (fact.kind, fact.pci, fact.xid, fact.boot_id) == (KernelKind.XID, "0000:05:00", 79, BOOT)
    assert fact.written_at == kernel.clock.now().wall - 8_000
    assert kernel.facts() == []


def test_after_a_restart_the_ring_is_read_again_and_nothing_is_told_twice(kernel):
    kernel.write(7, XID)
    first = kernel.read().events
    kernel.source.close()
    kernel.begin(BOOT)
    kernel.write(7, XID)
    kernel.write(8, XID.replace("79", "48"))

    again = kernel.read().events

    assert [event.fact.xid for event in first] == [79]
    assert [event.fact.xid for event in again] == [48]


def test_after_a_reboot_sequence_numbers_begin_anew(kernel):
    kernel.write(900, XID)
    before = kernel.read().events
    kernel.source.close()
    kernel.begin("1f6c9d5e-1111-4222-8333-944455556666")
    kernel.write(3, XID)

    after = kernel.read().events

    assert len(after) == 1
    assert after[0].id != before[0].id


def test_at_the_very_first_start_old_history_is_not_told(kernel):
    kernel.clock.advance(10_000)
    kernel.write(1, XID, ago=4_000)
    kernel.write(2, XID.replace("79", "48"), ago=600)

    assert [fact.xid for fact in kernel.facts()] == [48]


def test_a_gap_is_counted_and_what_follows_is_read(kernel):
    kernel.write(1, "hello")
    kernel.read()
    kernel.write(50, XID)

    reading = kernel.read()

    assert samples(reading)["kmsg_gaps_total"] == 1
    assert len(reading.events) == 1


def test_a_log_that_is_closed_is_opened_again(kernel):
    kernel.write(1, "hello")
    kernel.read()
    os.close(kernel.hold)
    kernel.read()
    kernel.hold = os.open(kernel.path, os.O_RDWR | os.O_NONBLOCK)
    kernel.write(2, XID)

    reading = kernel.read()

    assert samples(reading)["kmsg_reopens_total"] >= 1
    assert len(reading.events) == 1


def test_new_lines_wake_the_worker(kernel):
    assert len(kernel.read().watch) == 1


def test_a_flood_is_read_in_shares(kernel):
    for number in range(1_000):
        kernel.write(number, "x")
    kernel.read()
    for number in range(1_000, 1_900):
        kernel.write(number, "x")

    assert kernel.read().again_in is None
    assert kernel.checkpoint["cursor"] == {"boot": BOOT, "sequence": 1_899}


@pytest.mark.parametrize("kind", ["absent", "forbidden"])
def test_a_log_that_cannot_be_read_says_what_to_do(tmp_path, kind, monkeypatch):
    path = tmp_path / "none"
    if kind == "forbidden":
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
        path.touch(mode=0)

    with pytest.raises(Unavailable, match="not watched" if kind == "absent" else "CAP_SYSLOG"):
        KernelSource(Config(path=path), boot_id=BOOT).read(ManualClock().now())


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="/dev/kmsg may not be read here")
def test_the_real_log_is_read_to_its_end():
    source = KernelSource(Config())
    source.restore({})
    reading = source.read(ManualClock().now())
    source.close()

    assert reading.checkpoint["cursor"]["sequence"] > 0
