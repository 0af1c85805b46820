"""Logs that have rested for long: little is kept of them, and nothing is lost by that."""

import gc
import os
import tracemalloc

import pytest

from agent.sources.logs.log import OPEN_FOR
from tests.sources.logs.watching import append, oom

BAR = " 10%|#         | 100/1000 [00:10<01:30, 10.00it/s, loss=2.5]\n"
LARGE = 1 << 17
KEPT_AT_MOST = 2_560
"""Bytes that one log at rest may take, with all texts."""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "train.log"


@pytest.fixture
def rested(watches, log):
    """Follow a log with some text until it has rested for long."""

    def follow(text):
        log.write_text(text)
        watch = watches(log).settle()
        watch.look(OPEN_FOR)
        watch.look(OPEN_FOR)
        return watch

    return follow


def test_progress_is_still_known(rested, log):
    watch = rested(BAR)
    append(log, "saving\n")
    watch.look(OPEN_FOR)
    assert watch.logs[str(log)].progress.step == 100
    assert len(watch.begun) == 1


def test_what_is_added_is_found_once(rested, log):
    watch = rested(oom(1))
    append(log, oom(2))
    watch.settle()
    watch.look(OPEN_FOR)
    append(log, oom(3))
    assert watch.settle().tried == [1, 2, 3]


def test_a_log_rewritten_to_the_same_size_is_another(rested, log):
    watch = rested(oom(1))
    log.write_text(oom(2))
    assert watch.settle().tried == [1, 2]


def test_a_log_that_was_only_touched_is_the_same(rested, log):
    watch = rested(oom(1))
    os.utime(log, (1, 1))
    append(log, oom(2))
    assert watch.settle().tried == [1, 2]


def test_a_log_moved_away_is_read_to_its_end(rested, log):
    watch = rested(oom(1))
    moved = log.rename(log.with_name("train.log.1"))
    log.write_text(oom(2))
    watch.settle()
    append(moved, oom(3))
    assert watch.settle().tried == [1, 2, 3]


def test_a_log_truncated_after_it_was_copied_is_found_in_its_copy(rested, log):
    watch = rested(oom(1))
    log.with_name("train.log.1").write_text(oom(1) + oom(2))
    log.write_text("")
    assert watch.settle().tried == [1, 2]


def test_a_traceback_may_be_written_with_a_long_pause(rested, log):
    watch = rested('Traceback (most recent call last):\n  File "train.py", line 5, in <module>\n    step()\n')
    append(log, "RuntimeError: CUDA error: an illegal memory access was encountered\n")
    watch.settle()
    whole = [fact for fact in watch.found if "illegal memory access" in fact.text]
    assert len(whole) == 1
    assert any("step()" in line for line in whole[0].context)


def test_a_line_may_be_written_with_a_long_pause(rested, log):
    watch = rested("torch.OutOfMemoryError: CUDA out of memory. Tried to al")
    append(log, "locate 7.00 GiB.\n")
    watch.settle()
    assert 7 in watch.tried


def test_findings_that_were_too_many_stay_counted(rested, log):
    watch = rested(oom(1) * 50)
    suppressed = watch.sample("log_findings_suppressed_total")
    assert suppressed > 0
    append(log, "x\n")
    watch.settle()
    watch.look(OPEN_FOR)
    assert watch.sample("log_findings_suppressed_total") == suppressed


def test_a_restart_in_the_meantime(rested, log):
    watch = rested(BAR + oom(1))
    watch.kill()
    watch.look(OPEN_FOR)
    append(log, oom(2))
    assert watch.settle().tried == [1, 2]


@pytest.mark.parametrize("start", ["beginning", "end"])
def test_each_takes_little(tmp_path, watches, start):
    count = 300
    for number in range(count):
        (tmp_path / f"{number}.log").write_text(BAR)
    (tmp_path / "first").write_text(BAR)
    watches(tmp_path / "first").settle()  # what all logs share, such as compiled patterns, is there before
    watch = watches(tmp_path / "*.log", start=start)
    tracemalloc.start()
    try:
        watch.settle()
        watch.look(OPEN_FOR)
        watch.checkpoint, watch.events, watch.logs = {}, {}, {}  # the test's own
        gc.collect()
        traces = tracemalloc.take_snapshot().traces
    finally:
        tracemalloc.stop()
    assert watch.sample("log_files") == count
    # The interpreter's own tables grow at any time, by one large block.
    assert sum(trace.size for trace in traces if trace.size < LARGE) / count < KEPT_AT_MOST
