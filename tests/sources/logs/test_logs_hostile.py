"""Logs that nobody should trust: floods, cuts, sudden growth. Nothing is missed, and memory is bounded."""

import tracemalloc

import pytest

from agent.sources.logs.log import GROWING_EVERY, RESTING_EVERY
from tests.sources.logs.scanning import facts, scanner
from tests.sources.logs.watching import append, oom

MIB = 1 << 20
BAR = "\r 37%|███▋      | 37/100 [00:41<01:10,  1.11s/it, loss=0.25]"
MEMORY = 16 * MIB
"""Bytes that reading a flood may take beside the piece that is read: far less than the flood."""
A_LOOK = 40 * MIB
"""What 200 MB/s write while a look takes a fifth of a second."""


@pytest.mark.parametrize("cut", [place for place in range(len(BAR.encode())) if BAR.encode()[place] & 0xC0 == 0x80])
def test_a_glyph_cut_across_two_reads_is_whole_again(cut):
    data = BAR.encode()
    log = scanner()
    log.feed(data[:cut])
    log.feed(data[cut:])
    log.settle(blocks=True)
    assert (log.progress.step, log.progress.total, log.progress.loss) == (37, 100, 0.25)


@pytest.mark.parametrize("cut", range(1, len("███▋".encode())))
def test_an_error_behind_a_cut_glyph_is_found(cut):
    data = f"███▋{oom(1)}".encode()
    assert list(facts(data, (cut,))) == list(facts(data)) == [(0, "torch_oom")]


@pytest.mark.parametrize(
    "flood",
    [
        b"\x1b[31m\x1b[0m",
        b"\x1b]0;title\x07",
        b"\x1b",
        b"a\x08",
        b"\x00",
        b"\r\n",
        b"\xff\xfe\x00",
        "█▏".encode(),
        b"{'",
    ],
    ids=["colours", "titles", "escapes", "backspaces", "nuls", "ends", "binary", "glyphs", "braces"],
)
def test_a_flood_takes_bounded_memory_and_hides_nothing(flood):
    log, piece = scanner(), flood * (256 * 1_024 // len(flood))
    found = [item.fact.signature for item in log.feed(b"\n" + oom(1).encode())]
    tracemalloc.start()
    try:
        for _ in range(64):
            found += [item.fact.signature for item in log.feed(piece)]
        found += [item.fact.signature for item in log.feed(b"\n" + oom(2).encode())]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == ["torch_oom", "torch_oom"]
    assert peak < MEMORY


def test_a_log_that_grows_by_200_megabytes_a_second_is_read_on_and_its_lag_is_shown(watches, tmp_path):
    path = tmp_path / "train.log"
    path.touch()
    watch = watches(path).settle()
    append(path, "x\n")
    watch.look(RESTING_EVERY)
    filler = "".join(f"\r{step}%|#| {step}/100 [00:04<03:16,  2.00s/it]" for step in range(100)) + "\n"
    lags = []
    for number in (1, 2, 3):
        append(path, filler * (A_LOOK // 2 // len(filler)) + oom(number) + filler * (A_LOOK // 2 // len(filler)))
        reading = watch.look(GROWING_EVERY if number == 1 else 0.2)
        lags += [sample.value for sample in reading.samples if sample.name == "log_lag_bytes"]
        assert reading.again_in == 0.0
    assert lags == sorted(lags)
    assert lags[0] > 20 * MIB

    for _ in range(40):
        watch.look(0.0)
    watch.settle()
    assert watch.tried == [1, 2, 3]
    assert watch.sample("log_lag_bytes") == 0
    watch.look(RESTING_EVERY)
    assert watch.logs[str(path)].progress.step == 99
