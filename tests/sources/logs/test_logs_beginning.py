"""Where the last run begins in a log that is found late, and what becomes of logs that only their writers lead to."""

import os

import pytest

from agent.core.facts import LogFinding, TrainingSeen
from agent.core.ports import WantedLog
from agent.core.sightings import TreeSeen
from agent.sources.logs.beginning import LOOK_BACK, find_beginning
from agent.sources.logs.rules import rules
from agent.sources.logs.tailer import look

START = "***** Running training *****\n"
OOM = (
    "Traceback (most recent call last):\n"
    '  File "train.py", line 1, in <module>\n'
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
)
DONE = "Training completed. Do not forget to share your model on huggingface.co/models =)\n"
WRITER = TreeSeen("boot", 7, 1, 0, "train.py", "started by torchrun")


def steps(*numbers, total=100):
    return "".join(f"step {number}/{total} loss 0.5\n" for number in numbers)


def begins(path):
    return find_beginning(rules(), str(path), look(str(path)))


@pytest.mark.parametrize(
    ("earlier", "own"),
    [
        ("", steps(1, 2, 3)),
        (START + steps(98, 99), START + steps(1, 2)),
        (steps(40, 41) + OOM, ""),
        (steps(99, 100) + DONE, ""),
        (START + steps(40, 41) + OOM, START),
        (steps(40, 41) + OOM, steps(1)),
        (steps(40, 41) + OOM, steps(1, 2, 3)),
        (steps(99, 100) + DONE, START + steps(1, 2)),
        (START + steps(40, 41) + OOM + START + steps(1, 2) + OOM + steps(3), steps(4, 5)),
    ],
)
def test_the_last_run_begins_behind_errors_and_earlier_runs(tmp_path, earlier, own):
    path = tmp_path / "run.log"
    path.write_text(earlier + own)
    assert begins(path) == len(earlier)


def test_far_behind_in_a_long_log_nothing_is_looked_for(tmp_path):
    path = tmp_path / "run.log"
    path.write_text(START + "x\n" * LOOK_BACK)
    assert begins(path) == path.stat().st_size - LOOK_BACK


def test_of_a_log_that_its_writer_appends_to_the_last_run_alone_is_read(watches, tmp_path):
    path = tmp_path / "run.log"
    path.write_text(START + steps(40, 41) + OOM + START + steps(1, 2))
    watch = watches(start="end")
    watch.wanted.append(WantedLog(str(path), None, writer=WRITER, found=True))
    watch.settle()
    assert watch.tried == []
    (seen,) = [event.fact for event in watch.events.values() if isinstance(event.fact, TrainingSeen)]
    assert seen.writer == WRITER
    with path.open("a") as log:
        log.write(OOM)
    watch.settle()
    (error,) = [fact for fact in watch.found if isinstance(fact, LogFinding) and fact.signature == "torch_oom"]
    assert (error.found, error.writer) == (True, WRITER)


def test_a_log_that_the_settings_name_is_not_merely_found(watches, tmp_path):
    path = tmp_path / "run.log"
    path.write_text("")
    watch = watches(path)
    watch.wanted.append(WantedLog(str(path), 0, writer=WRITER, found=True))
    watch.settle()
    path.write_text(OOM)
    watch.settle()
    assert {(fact.found, fact.writer) for fact in watch.found} == {(False, WRITER)}


def test_a_log_that_its_writer_may_not_read_is_left_alone(watches, tmp_path):
    path = tmp_path / "run.log"
    path.write_text(steps(1, 2))
    path.chmod(0o600)
    watch = watches()
    watch.wanted.append(WantedLog(str(path), 0, uid=os.getuid() + 4711, found=True))
    watch.settle()
    assert watch.source.unreadable == {str(path): f"user {os.getuid() + 4711}, who writes it, may not read it"}
    path.chmod(0o644)
    watch.settle()
    assert watch.source.unreadable == {}


def test_compressed_and_rotated_neighbours_are_no_new_logs(watches, tmp_path):
    for name in ("run.log", "run.log.1"):
        (tmp_path / name).write_text(steps(1, 2))
    watch = watches()
    watch.wanted += [WantedLog(str(tmp_path / name), 0, found=True) for name in ("run.log", "run.log.1")]
    watch.settle()
    assert [log.path for log in watch.source._following.logs.values()] == [str(tmp_path / "run.log")]


def test_a_log_is_given_up_once_nobody_writes_or_names_it(watches, tmp_path):
    path = tmp_path / "run.log"
    path.write_text(steps(1, 2))
    watch = watches()
    watch.wanted.append(WantedLog(str(path), 0, found=True))
    watch.settle()
    watch.wanted.clear()
    watch.look(500)
    assert watch.source._following.logs
    dropped = [path for seconds in (200, 2, 2) for path in watch.look(seconds).dropped]
    assert (dropped, watch.source._following.logs) == ([str(path)], {})
