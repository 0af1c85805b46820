from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.facts import FindingKind, LogFinding, Progress, Role, TrainingSeen
from agent.sources.logs.buffer import TAIL
from agent.sources.logs.chunk import OVERLAP
from agent.sources.logs.scanner import FINDINGS_AT_MOST, PROGRESS_BEFORE, LogScanner
from tests.sources.logs.scanning import CRASH, begun, facts, findings, scanner, shared_rules

OOM = b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."


def ids(data, **options):
    return [finding.signature for finding in findings(data, **options)]


def test_a_crash_of_two_ranks_is_told_in_order():
    found = findings(CRASH)
    assert [finding.signature for finding in found] == [
        "hf_started", "python_traceback", "torch_oom", "keyboard_interrupt", "torchrun_summary"
    ]  # fmt: skip
    assert [finding.rank for finding in found] == [None, 1, 0, None, 0]
    assert found[1].text == "ValueError: shapes \ufffd\ufffd do not fit"


def test_the_exception_gives_a_traceback_its_meaning():
    oom = findings(CRASH)[2]
    assert oom.kind is FindingKind.GPU_OOM
    assert oom.offset == CRASH.index(b"[rank0]: torch.OutOf")
    assert oom.context[:2] == ('File "train.py", line 30, in <module>', "  main()")
    assert oom.facts["tried"] == 896 << 20
    assert oom.facts["uncaught"] is True


def test_a_finding_carries_the_progress_shown_before_it():
    assert findings(CRASH)[0].progress is None
    shown = Progress(step=2, total=100, epoch=0.02, loss=2.25, throughput=0.5, framework="transformers")
    assert findings(CRASH)[2].progress == shown


def test_the_progress_before_a_finding_is_found_deep_in_a_piece():
    bar = b"\r  7%|7 | 7/100 [00:04<03:16,  2.00s/it]\r\n"
    noise = b"text without numbers\n" * (PROGRESS_BEFORE // 42)
    assert findings(bar + noise + OOM + b"\n" + b"more text\n" * 1_000)[0].progress.step == 7


def test_a_line_without_a_time_was_written_after_the_last_that_has_one():
    first, *_, last = [finding for finding in findings(CRASH) if finding.written_at is not None]
    assert first.signature == "python_traceback"
    assert first.written_at % 1_000 == 250
    assert (last.signature, last.written_at - first.written_at) == ("torchrun_summary", 2_750)


def test_training_begins_once_in_a_run():
    assert [(item.offset, item.progress.step) for item in begun(CRASH)] == [(CRASH.index(b"  0%|"), 0)]


def test_a_second_run_in_the_same_log_begins():
    run = b"".join(b"\r %d%%|#| %d/100 [00:04<03:16,  2.00s/it]" % (step, step) for step in (0, 50, 100))
    marker = b"\n`Trainer.fit` stopped: `max_epochs=1` reached.\n"
    log = run + marker + b"\r 100%|#| 100/100 [00:04<00:00,  2.00s/it]\n" + run
    assert [item.offset for item in begun(log)] == [1, log.rindex(b" 0%|#")]


@given(st.lists(st.integers(0, len(CRASH)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_how_a_log_is_cut_into_pieces_changes_nothing(cuts):
    assert facts(CRASH, tuple(sorted(cuts))) == facts(CRASH)


def test_a_log_that_comes_byte_by_byte_tells_the_same():
    assert facts(CRASH, tuple(range(1, len(CRASH)))) == facts(CRASH)


@given(st.lists(st.integers(0, 20_000), max_size=6), st.integers(0, 20_000))
@settings(max_examples=60, deadline=None)
def test_a_line_without_end_is_cut_at_the_same_places_however_it_comes(cuts, at):
    line = (b"x" * at + OOM + b" " + b"y" * 20_000)[:20_000]
    expected = findings(line, max_line=1_024)
    assert findings(line, tuple(sorted(cuts)), max_line=1_024) == expected


@pytest.mark.parametrize("at", [0, 900, 1_000, 1_023, 1_024, 5_000])
def test_what_is_sought_is_found_anywhere_in_a_line_without_end(at):
    found = findings(b"x" * at + OOM + b"y" * 9_000, max_line=1_024)
    assert [finding.signature for finding in found] == ["torch_oom"]
    assert found[0].offset % 1_024 == 0
    assert found[0].facts["tried"] == 2 << 30 or at + len(OOM) > found[0].offset + 1_024


def test_a_line_of_a_hundred_megabytes_takes_bounded_memory():
    log = scanner()
    piece = b"=" * (256 * 1_024)
    most = 0
    for _ in range(400):
        assert log.feed(piece) == []
        most = max(most, log.offset - log.place.offset)
    (noticed,) = log.feed(OOM + b"\n")
    assert noticed.fact.signature == "torch_oom"
    assert most <= 8_192 + OVERLAP


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\x00", b"\x00\x00\x00\n"])
def test_every_separator_ends_a_record(end):
    log = b"first" + end + OOM + end + b"last" + end
    assert [(item.signature, item.text) for item in findings(log)] == [("torch_oom", OOM.decode())]


def test_a_line_without_end_is_told_when_it_rests_and_not_again():
    log = scanner()
    assert log.feed(b"first\n" + OOM) == []
    assert log.unsettled
    (noticed,) = log.settle(blocks=False)
    assert noticed.key == (6, "torch_oom")
    assert not log.unsettled
    assert log.feed(b" More words.\nnext\n") == []


def test_a_checkpoint_stays_before_what_is_unfinished():
    log = scanner()
    log.feed(b"first\nsecond, not end")
    assert (log.offset, log.place.offset, log.place.line, log.place.tail) == (21, 6, 6, b"first\n")
    log.feed(b"ed\n")
    assert (log.offset, log.place.offset) == (24, 24)


def test_a_checkpoint_stays_before_a_block_that_is_open():
    log = scanner()
    log.feed(b"first\nTraceback (most recent call last):\n" + b'  File "a.py", line 1, in f\n' * 30)
    assert log.place.offset == 6
    assert log.place.tail == b"first\n"
    assert log.unsettled
    log.feed(b"ValueError: no\n")
    assert log.place.offset == log.offset


def test_reading_again_from_a_checkpoint_finds_the_same():
    expected = facts(CRASH)
    for cut in range(0, len(CRASH), 37):
        before = scanner()
        found = {item.key: item.fact for item in before.feed(CRASH[:cut])}
        after = scanner_from(before)
        found |= {item.key: item.fact for item in after.feed(CRASH[before.place.offset :])}
        found |= {item.key: item.fact for item in after.settle(blocks=True)}
        assert set(found) == set(expected), cut


def scanner_from(before):
    return LogScanner(shared_rules(), "/log", "1:2:3", before.place, before.run, before.progress)


def test_the_tail_is_what_stands_before_the_offset():
    log = scanner()
    log.feed(b"a" * 1_000 + b"\nbc")
    assert log.tail == b"a" * (TAIL - 3) + b"\nbc"


def test_a_traceback_that_breaks_off_is_told_as_far_as_it_goes():
    log = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'
    (found,) = findings(log)
    assert (found.signature, found.offset, found.text) == ("python_traceback", 0, "Traceback (most recent call last):")
    assert found.context == ('File "a.py", line 1, in f', "  g()")


def test_an_exception_that_is_ignored_is_no_root():
    (found,) = findings(
        b"Exception ignored in: <function X.__del__ at 0x7f>\nTraceback (most recent call last):\n"
        b'  File "a.py", line 1, in __del__\n    g()\nMemoryError\n'
    )
    assert (found.signature, found.role, found.text) == ("python_ignored", Role.SURVIVABLE, "MemoryError")


def test_the_traceback_of_the_launcher_becomes_its_summary():
    log = CRASH[CRASH.index(b"torch.distributed.elastic") :]
    head = b'Traceback (most recent call last):\n  File "/bin/torchrun", line 8, in <module>\n    sys.exit(main())\n'
    assert ids(head + log) == ["torchrun_summary"]


def test_each_exception_of_a_chain_is_told():
    log = (
        b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n' + OOM + b"\n\n"
        b"During handling of the above exception, another exception occurred:\n\n"
        b'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    f()\n'
        b"OSError: [Errno 28] No space left on device\n"
    )
    assert ids(log) == ["torch_oom", "disk_full"]


def test_a_full_disk_and_ctrl_c_are_known_by_the_exception():
    head = b'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\n'
    kinds = {
        b"KeyboardInterrupt": FindingKind.CANCELLED,
        b"MemoryError": FindingKind.HOST_OOM,
        b"OSError: [Errno 28] No space left on device": FindingKind.DISK_FULL,
        b"ValueError: no": FindingKind.CRASH,
    }
    assert {error: findings(head + error + b"\n")[0].kind for error in kinds} == kinds


def test_thousands_of_equal_findings_are_cut_and_counted():
    log = scanner()
    noticed = log.feed((OOM + b"\n") * 1_000)
    assert len(noticed) == FINDINGS_AT_MOST
    assert log.suppressed == 1_000 - FINDINGS_AT_MOST
    assert len(log.feed(OOM + b"\n")) == 1


def test_the_bar_that_has_not_ended_is_progress_already():
    log = scanner()
    (noticed,) = log.feed(b"\r  7%|7 | 7/100 [00:04<03:16,  2.00s/it, loss=0.5]")
    assert isinstance(noticed.fact, TrainingSeen)
    assert log.progress == Progress(step=7, total=100, loss=0.5, throughput=0.5)


def test_a_number_that_may_be_cut_is_not_progress_until_the_line_rests():
    log = scanner()
    assert log.feed(b"step 12/10") == []
    log.feed(b"00 loss 0.5")
    assert log.progress is None
    log.settle(blocks=False)
    assert log.progress == Progress(step=12, total=1_000, loss=0.5)


def test_of_a_large_piece_only_the_end_is_read_for_progress():
    bars = b"".join(b"\r %d/9000 [00:04<03:16,  2.00s/it]" % step for step in range(5_000))
    log = scanner()
    log.feed(bars)
    assert log.progress.step == 4_999


def test_engines_find_the_same():
    more = b"".join(b"line %d %s\n" % (n, OOM if n % 7 == 0 else b"nothing") for n in range(100))
    for data in (CRASH, more, CRASH + more + CRASH, b"x" * 5_000 + CRASH.replace(b"\n", b"\r\n")):
        assert facts(data, engine="re") == facts(data)


@given(st.binary(max_size=2_000), st.integers(0, len(CRASH)))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_survived(noise, at):
    found = findings(CRASH[:at] + noise + CRASH[at:])
    assert all(isinstance(finding, LogFinding) and len(finding.text) <= 500 for finding in found)


def test_findings_are_values():
    one, other = findings(CRASH)[2], findings(CRASH)[2]
    assert replace(one) == other
