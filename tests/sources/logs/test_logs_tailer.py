"""One hazard, one test: what people and tools do to log files while they are written."""

import gzip
import os
import shutil

import pytest

from agent.core.facts import FindingKind
from agent.sources.logs.log import GROWING_EVERY, LINGER_DELETED, OPEN_FOR
from tests.sources.logs.watching import append, oom


@pytest.fixture
def log(tmp_path):
    return tmp_path / "train.log"


@pytest.fixture
def watch(watches, log):
    return watches(log)


def test_lines_are_found_as_they_are_written(watch, log):
    log.write_text("starting\n")
    watch.settle()
    append(log, oom(1))
    watch.look(2.0)
    append(log, oom(2))
    watch.look(GROWING_EVERY)
    assert watch.tried == [1, 2]


def test_a_rename_leaves_the_old_file_to_be_read_to_its_end(watch, log):
    log.write_text("x\n")
    watch.settle()
    append(log, oom(1))
    log.rename(log.with_name("train.log.1"))
    append(log, oom(2))
    watch.settle()
    assert sorted(watch.tried) == [1, 2]
    assert len({fact.file for fact in watch.found}) == 2


def test_a_writer_that_stays_with_the_renamed_file_is_followed(watch, log):
    log.write_text("x\n")
    watch.settle()
    log.rename(log.with_name("train.log.1"))
    log.write_text("")
    watch.settle()
    append(log.with_name("train.log.1"), "  7%|7 | 7/100 [00:04<03:16,  2.00s/it]\r" + oom(1))
    watch.settle()
    assert watch.tried == [1]
    append(log.with_name("train.log.1"), "  8%|8 | 8/100 [00:04<03:16,  2.00s/it]\r")
    watch.look(2.0)
    assert watch.logs[str(log)].progress.step == 8


def test_several_rotations_between_two_looks_lose_nothing_of_an_open_log(watch, log):
    log.write_text("x\n")
    watch.settle()
    append(log, oom(1))
    log.rename(log.with_name("train.log.1"))
    append(log, oom(2))
    log.with_name("train.log.1").rename(log.with_name("train.log.2"))
    log.rename(log.with_name("train.log.1"))
    append(log, oom(3))
    watch.settle()
    assert {1, 3} <= set(watch.tried)


def test_a_rename_while_the_agent_was_down_is_found_by_inode(watch, log):
    log.write_text("x\n")
    watch.settle()
    append(log, oom(1))
    log.rename(log.with_name("train.log.7"))
    append(log, oom(2))
    watch.kill().settle()
    assert sorted(watch.tried) == [1, 2]


def test_a_rotated_name_that_the_pattern_matches_is_not_read_again(watches, tmp_path, log):
    watch = watches(tmp_path / "*.log*")
    log.write_text(oom(1))
    watch.settle()
    log.rename(log.with_name("train.log.1"))
    append(log, oom(2))
    watch.settle()
    assert sorted(watch.tried) == [1, 2]
    watch.kill().settle()
    assert sorted(watch.tried) == [1, 2]


def test_copytruncate_for_a_writer_that_appends(watches, tmp_path, log):
    watch = watches(tmp_path / "*.log*")
    with log.open("a") as writer:
        writer.write("x" * 200 + "\n" + oom(1))
        writer.flush()
        watch.settle()
        shutil.copy(log, log.with_name("train.log.1"))
        os.truncate(log, 0)
        writer.write(oom(2))
        writer.flush()
        watch.settle()
    assert watch.tried == [1, 2]


def test_copytruncate_for_a_writer_that_does_not_append_leaves_nuls(watch, log):
    with log.open("w") as writer:
        writer.write("x" * 5_000 + "\n")
        writer.flush()
        watch.settle()
        os.truncate(log, 0)
        watch.look(GROWING_EVERY)
        writer.write(oom(2))
        writer.flush()
        assert log.read_bytes().startswith(b"\0" * 5_000)
        watch.settle()
    assert watch.tried == [2]
    assert watch.found[0].text.startswith("torch.OutOfMemoryError")
    assert watch.found[0].offset == 5_001


def test_copytruncate_between_two_looks_is_seen_by_the_nuls_before_the_offset(watch, log):
    with log.open("w") as writer:
        writer.write("x" * 5_000 + "\n")
        writer.flush()
        watch.settle()
        os.truncate(log, 0)
        writer.write(oom(2))
        writer.flush()
        watch.settle()
    assert watch.tried == [2]


def test_lines_that_were_truncated_unread_are_found_in_the_copy(watch, log):
    log.write_text("x" * 300 + "\n")
    watch.settle()
    append(log, oom(1))
    shutil.copy(log, log.with_name("train.log.1"))
    os.truncate(log, 0)
    append(log, oom(2))
    watch.settle()
    assert watch.tried == [1, 2]
    assert len(watch.checkpoint) == 2  # that of the copy is gone again


def test_a_truncated_log_is_read_from_its_beginning(watch, log):
    log.write_text("x" * 300 + "\n")
    watch.settle()
    log.write_text(oom(1))
    watch.settle()
    assert watch.tried == [1]


def test_the_same_error_at_the_same_place_of_a_second_run_is_another(watch, log):
    log.write_text("header\n" + oom(1) + "footer\n")
    watch.settle()
    log.write_text("header\n" + oom(1))
    watch.settle()
    assert watch.tried == [1, 1]


def test_a_log_truncated_and_grown_past_the_offset_is_read_from_its_beginning(watch, log):
    log.write_text("x" * 300 + "\n")
    watch.settle()
    log.write_text(oom(1) + "y" * 900 + "\n")
    watch.settle()
    assert watch.tried == [1]


def test_a_log_rewritten_to_the_same_size_is_read_again(watch, log):
    log.write_text(oom(1))
    watch.settle()
    log.write_text(oom(2))
    watch.settle()
    assert watch.tried == [1, 2]


def test_a_deleted_log_is_followed_while_its_writer_goes_on(watch, log):
    with log.open("a") as writer:
        writer.write("x\n")
        writer.flush()
        watch.settle()
        watch.look(GROWING_EVERY)
        log.unlink()
        writer.write(oom(1))
        writer.flush()
        watch.settle()
    assert watch.tried == [1]
    watch.look(LINGER_DELETED)
    assert watch.sample("log_files") == 0


def test_the_descriptor_of_a_resting_log_is_let_go(watch, log):
    log.write_text("x\n")
    watch.settle()
    watch.look(OPEN_FOR)
    log.unlink()
    watch.settle()
    assert watch.sample("log_files") == 0
    assert list(watch.checkpoint) == ["began"]


def test_a_log_made_again_is_read_from_its_beginning(watch, log):
    log.write_text(oom(1))
    watch.settle()
    watch.look(OPEN_FOR)
    log.unlink()
    watch.settle()
    log.write_text(oom(1))  # very likely under the same inode number
    watch.settle()
    assert watch.tried == [1, 1]


def test_a_log_replaced_by_a_rename_over_it(watch, log):
    log.write_text("x\n")
    watch.settle()
    other = log.with_name("other")
    other.write_text(oom(1))
    other.replace(log)
    watch.settle()
    assert watch.tried == [1]


def test_a_symbolic_link_is_followed(tmp_path, watch, log):
    target = tmp_path / "run-1"
    target.write_text(oom(1))
    log.symlink_to(target)
    watch.settle()
    assert watch.tried == [1]
    assert watch.found[0].path == str(log)


def test_a_link_that_leads_elsewhere_is_another_log(tmp_path, watch, log):
    for number in (1, 2):
        (tmp_path / f"run-{number}").write_text(oom(number))
    log.symlink_to(tmp_path / "run-1")
    watch.settle()
    log.unlink()
    log.symlink_to(tmp_path / "run-2")
    append(tmp_path / "run-1", oom(3))
    watch.settle()
    assert sorted(watch.tried) == [1, 2, 3]


def test_two_paths_to_one_file_are_one_log(watches, tmp_path, log):
    log.write_text(oom(1))
    (tmp_path / "latest.log").symlink_to(log)
    watch = watches(tmp_path / "*.log").settle()
    assert watch.tried == [1]
    assert watch.sample("log_files") == 1


def test_a_dangling_link_is_no_log_until_it_leads_somewhere(tmp_path, watch, log):
    log.symlink_to(tmp_path / "later")
    watch.settle()
    assert watch.source.unreadable == {}
    (tmp_path / "later").write_text(oom(1))
    watch.settle()
    assert watch.tried == [1]


@pytest.mark.parametrize(
    ("make", "reason"),
    [(os.mkdir, "is a directory"), (os.mkfifo, "is not a regular file")],
)
def test_what_is_no_file_is_never_opened(watch, log, make, reason):
    make(log)
    watch.settle()
    assert watch.source.unreadable == {str(log): reason}
    assert watch.sample("log_files_unreadable") == 1


def test_what_cannot_be_read_is_told_of_and_tried_again(watch, log):
    log.symlink_to(log)
    watch.settle()
    assert watch.source.unreadable == {str(log): "Too many levels of symbolic links"}
    log.unlink()
    log.write_text(oom(1))
    watch.settle()
    assert (watch.tried, watch.source.unreadable) == ([1], {})


def test_a_file_that_takes_the_place_of_a_directory_is_read(watch, log):
    log.mkdir()
    watch.settle()
    log.rmdir()
    log.write_text(oom(1))
    watch.settle()
    assert (watch.tried, watch.source.unreadable) == ([1], {})


def test_a_partial_line_waits_for_its_end(watch, log):
    log.write_text("torch.OutOfMemoryError: CUDA out of mem")
    watch.look()
    watch.look(0.6)
    append(log, "ory. Tried to allocate 3.00 GiB.\n")
    watch.look(GROWING_EVERY)
    assert watch.tried == [3]


def test_a_line_without_end_is_told_after_two_seconds_of_rest_and_once(watch, log):
    log.write_text(oom(3, end=""))
    watch.look()
    watch.look(1.9)
    assert watch.tried == []
    watch.look(GROWING_EVERY)
    assert watch.tried == [3]
    append(log, " And more.\n")
    watch.settle()
    assert watch.tried == [3]


def test_a_line_without_end_is_told_at_once_where_someone_waits_for_it(watch, log):
    log.write_text("x\n")
    watch.settle()
    append(log, oom(3, end=""))
    watch.urgent = [str(log)]
    reading = watch.look(0.01)
    assert watch.tried == [3]
    assert [(item.offset, item.size) for item in reading.logs] == [(log.stat().st_size,) * 2]


def test_a_line_without_end_is_read_again_after_a_restart(watch, log):
    log.write_text("first\n" + oom(3, end=""))
    watch.settle()
    watch.kill()
    append(log, "\n" + oom(4))
    watch.settle()
    assert watch.tried == [3, 4]


def test_bars_separated_by_carriage_returns_are_records(watch, log):
    log.write_text("".join(f"\r {step}%|#| {step}/100 [00:04<03:16,  2.00s/it]" for step in range(50)))
    watch.look()
    assert watch.logs[str(log)].progress.step == 49


def test_a_line_longer_than_any_record_is_searched(watch, log):
    log.write_text("=" * 300_000 + oom(1, end="") + "=" * 300_000)
    watch.settle()
    assert watch.tried == [1]


def test_bytes_that_are_no_text_are_read(watch, log):
    log.write_bytes(b"\xff\xfe\x00\x80 " + oom(1).encode() + b"\x1b[31m\x00\n")
    watch.settle()
    assert watch.tried == [1]


def test_nuls_at_the_end_are_not_data_yet(watch, log):
    log.write_bytes(b"x\n" + b"\0" * 4_000)
    watch.settle()
    with log.open("r+b") as file:
        file.seek(2)
        file.write(oom(1).encode())
    watch.settle()
    assert watch.tried == [1]
    assert len(watch.checkpoint) == 2


def test_a_sparse_log_is_not_read_through(watch, log):
    with log.open("wb") as file:
        file.truncate(64 << 30)
        file.seek(64 << 30)
        file.write(oom(1).encode())
    watch.settle()
    assert watch.tried == [1]
    assert watch.sample("log_bytes_total") < 1 << 20


def test_a_compressed_log_is_none(watches, tmp_path):
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(oom(1).encode()))
    (tmp_path / "b.log.zst").write_text(oom(2))
    watch = watches(tmp_path / "*").settle()
    assert (watch.tried, watch.sample("log_files")) == ([], 0)


def test_an_old_traceback_is_told_once_the_process_was_silent(watch, log):
    log.write_text('Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n')
    watch.settle()
    assert [(fact.kind, fact.signature) for fact in watch.found] == [(FindingKind.CRASH, "python_traceback")]
