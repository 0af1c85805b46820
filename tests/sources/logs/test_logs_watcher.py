import os
from collections import Counter
from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.facts import FindingKind
from agent.core.model import Severity
from agent.core.ports import Source, WantedLog
from agent.sources.logs import following
from agent.sources.logs.log import GROWING_EVERY, OPEN_FOR, REST, RESTING_EVERY
from tests.sources.logs.scanning import CRASH
from tests.sources.logs.watching import Watch, append, oom


@pytest.fixture
def log(tmp_path):
    return tmp_path / "train.log"


def test_it_is_a_source(watches, log):
    source: Source = watches(log).source
    assert (source.name, source.interval) == ("logs", 2.0)
    assert watches(log).source.engine == "vectorscan"


def test_logs_of_before_the_very_first_start_are_followed_from_their_end(watches, log):
    log.write_text(oom(1))
    watch = watches(log, start="end").settle()
    append(log, oom(2))
    watch.settle()
    assert watch.tried == [2]


def test_logs_of_after_the_very_first_start_are_read_from_their_beginning(watches, tmp_path, log):
    watch = watches(tmp_path / "*.log", start="end").settle()
    log.write_text(oom(1))
    watch.settle()
    assert watch.tried == [1]


def test_a_log_written_while_the_agent_was_down_is_read_from_its_beginning(watches, tmp_path, log):
    watch = watches(tmp_path / "*.log", start="end").settle()
    assert list(watch.checkpoint) == ["began"]
    log.write_text(oom(1))
    watch.kill().settle()
    assert watch.tried == [1]


def test_lines_written_while_the_agent_was_down_are_found_with_the_time_they_tell(watches, log):
    log.write_text("x\n")
    watch = watches(log).settle()
    append(log, "2026-01-05 10:00:00+00:00 - ERROR - " + oom(1))
    watch.kill().settle()
    assert [fact.written_at for fact in watch.found] == [1_767_607_200_000]


def test_a_time_of_writing_that_lies_ahead_is_not_believed(watches, log):
    log.write_text("2126-01-05 10:00:00+00:00 - ERROR - " + oom(1))
    assert [fact.written_at for fact in watches(log).settle().found] == [None]


def test_a_kill_before_the_commit_gives_the_same_events_again(watches, log):
    log.write_text("x\n")
    watch = watches(log).settle()
    append(log, oom(1) + oom(2, end=""))
    lost = watch.look(2.0, commit=False).events + watch.look(2.0, commit=False).events
    watch.kill().settle()
    assert {event.id for event in lost} == set(watch.events)
    assert watch.tried == [1, 2]


# It grows at every look: one that rests within the name of an exception may be told of a shorter one first.
@given(
    st.lists(
        st.tuples(st.integers(0, len(CRASH)), st.booleans(), st.booleans()), max_size=4, unique_by=itemgetter(0)
    )
)
@settings(max_examples=20, deadline=None)
def test_whenever_it_is_killed_every_event_is_found_once(tmp_path_factory, moments):
    log = tmp_path_factory.mktemp("log") / "train.log"
    log.write_bytes(b"")
    watch = Watch(log)
    watch.look()
    written = 0
    for upto, commit, kill in sorted(moments):
        with log.open("ab") as file:
            file.write(CRASH[written:upto])
        written = max(written, upto)
        watch.look(2.0, commit=commit)
        watch = watch.kill() if kill or not commit else watch
    with log.open("ab") as file:
        file.write(CRASH[written:])
    watch.settle()
    watch.source.close()
    whole = [fact for fact in watch.found if "cut" not in fact.facts and not fact.text.startswith("Traceback")]
    # Read again from within, a traceback is known by its frames; its event is the same.
    assert Counter(fact.signature.replace("python_frames", "python_traceback") for fact in whole) == dict.fromkeys(
        ["hf_started", "python_traceback", "torch_oom", "keyboard_interrupt", "torchrun_summary"], 1
    )
    assert len(watch.begun) == 1


@pytest.mark.parametrize("name", ["torch.OutOfMemoryError", "RuntimeError"])
def test_an_error_that_rests_behind_its_name_is_told_once_and_by_what_follows(watches, log, name):
    log.write_text(f'Traceback (most recent call last):\n  File "train.py", line 9, in <module>\n    main()\n{name}')
    watch = watches(log).settle()
    append(log, ": CUDA out of memory. Tried to allocate 2.00 GiB.\n")
    watch.settle()
    whole = [fact for fact in watch.found if not fact.text.startswith("Traceback")]
    assert [(fact.signature, fact.text.partition(":")[0]) for fact in whole] == [("torch_oom", name)]


def test_training_seen_before_a_restart_is_not_seen_again(watches, log):
    log.write_text("\r  7%|7 | 7/100 [00:04<03:16,  2.00s/it]")
    watch = watches(log).settle()
    append(log, "\r  8%|8 | 8/100 [00:04<03:16,  2.00s/it]")
    watch.kill().settle()
    assert [fact.progress.step for fact in watch.begun] == [7]


def test_progress_is_kept_over_a_restart(watches, log):
    log.write_text("\r  7%|7 | 7/100 [00:04<03:16,  2.00s/it, loss=nan]")
    watch = watches(log)
    at = watch.look().logs[0].progress_at
    watch.settle()
    watch.kill().look(2.0)
    reading = watch.logs[str(log)]
    assert (reading.progress.step, reading.progress_at, reading.offset) == (7, at, reading.size)


def test_a_log_that_grows_is_looked_at_five_times_a_second(watches, log):
    log.write_text("x\n")
    watch = watches(log).settle()
    append(log, "y\n")
    assert watch.look(RESTING_EVERY).again_in == pytest.approx(GROWING_EVERY)
    watch.look(REST)
    assert watch.look(0.0).again_in == pytest.approx(RESTING_EVERY)


def test_idle_logs_are_neither_opened_nor_read(watches, tmp_path, monkeypatch):
    for number in range(100):
        (tmp_path / f"{number}.log").write_text("x\n" * 100)
    watch = watches(tmp_path / "*.log").settle()
    watch.look(60.0)
    watch.look(2.0)
    opened = []
    monkeypatch.setattr(os, "open", lambda *_: opened.append(1))
    monkeypatch.setattr(os, "pread", lambda *_: opened.append(1))
    reading = watch.look(2.0)
    assert opened == []
    assert len(reading.logs) == 100
    assert reading.checkpoint == {}


def test_of_thousands_of_logs_the_one_that_speaks_is_heard(watches, tmp_path):
    for number in range(1_500):
        (tmp_path / f"run-{number}.log").write_text("epoch 1\n")
    watch = watches(tmp_path / "*.log")
    watch.look()
    append(tmp_path / "run-700.log", oom(1))
    watch.look(RESTING_EVERY)
    assert watch.tried == [1]
    assert watch.sample("log_files") == 1_500


def test_many_logs_that_have_rested_for_long_wait_their_turn(watches, tmp_path, monkeypatch):
    monkeypatch.setattr(following, "RESTING_LOOKS", 1)
    for number in range(10):
        (tmp_path / f"run-{number}.log").write_text("epoch 1\n")
    watch = watches(tmp_path / "*.log").settle()
    watch.look(OPEN_FOR)
    append(tmp_path / "run-7.log", oom(1))
    watch.look(RESTING_EVERY)
    assert watch.tried == []
    watch.urgent = [str(tmp_path / "run-7.log")]
    watch.look()
    assert watch.tried == [1]
    append(tmp_path / "run-8.log", oom(2))
    watch.look(10.0)
    assert watch.tried == [1, 2]


def test_a_large_log_is_read_in_bounded_looks(watches, log, monkeypatch):
    monkeypatch.setattr(following, "AT_ONCE_PER_LOG", 1 << 20)
    log.write_text("text\n" * 500_000 + oom(1))
    watch = watches(log)
    first = watch.look()
    assert first.logs[0].offset == 1 << 20
    assert first.again_in == 0.0
    assert watch.sample("log_lag_bytes") > 0
    watch.settle()
    assert watch.tried == [1]
    assert watch.sample("log_lag_bytes") == 0


def test_a_large_log_does_not_keep_others_waiting(watches, tmp_path, monkeypatch):
    monkeypatch.setattr(following, "AT_ONCE_PER_LOG", 1 << 20)
    monkeypatch.setattr(following, "AT_ONCE", 2 << 20)
    for name in "abc":
        (tmp_path / f"{name}.log").write_text("text\n" * 500_000)
    (tmp_path / "z.log").write_text(oom(1))
    watch = watches(tmp_path / "*.log")
    for _ in range(4):
        watch.look(0.0)
    assert watch.tried == [1]


def test_a_wanted_path_is_followed_beside_those_of_the_configuration(watches, tmp_path, log):
    watch = watches(tmp_path / "other" / "*.log").settle()
    watch.wanted = [str(log)]
    watch.look(GROWING_EVERY)
    log.write_text(oom(1))
    watch.look(2.0)
    assert watch.tried == [1]


def test_a_file_goes_by_the_path_that_is_wanted(watches, tmp_path, log):
    log.write_text("x\n")
    (tmp_path / "latest").symlink_to(tmp_path)
    watch = watches(log).settle()
    wanted = str(tmp_path / "latest" / "train.log")
    watch.wanted = [wanted]
    watch.settle()
    append(log, oom(1))
    watch.settle()
    assert [fact.path for fact in watch.found] == [wanted]


def test_an_urgent_log_is_looked_at_before_it_is_due(watches, log):
    log.write_text("x\n")
    watch = watches(log).settle()
    append(log, oom(1))
    assert watch.look(0.01).logs == ()
    watch.urgent = [str(log)]
    assert [item.path for item in watch.look(0.01).logs] == [str(log)]
    assert watch.tried == [1]


def test_new_files_are_told_by_the_doorbell(watches, tmp_path):
    watch = watches(tmp_path / "*" / "train.log").settle()
    (tmp_path / "run-1").mkdir()
    wait_for(lambda: watch.rung)
    watch.look(0.5)
    (tmp_path / "run-1" / "train.log").write_text(oom(1))
    wait_for(lambda: len(watch.rung) > 1)
    watch.look(0.5)
    assert watch.tried == [1]


def test_new_files_are_found_by_the_timer_alone(watches, tmp_path, monkeypatch):
    watch = watches(tmp_path / "**" / "*.log").settle()
    watch.source._finder.doorbell.close()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "train.log").write_text(oom(1))
    watch.look(10.0)
    watch.look(10.0)
    assert watch.tried == [1]


def wait_for(condition):
    """Wait for another thread, at most five seconds."""
    import threading

    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("waited in vain")


def test_checkpoints_without_events_come_now_and_then(watches, log):
    log.write_text("x\n")
    watch = watches(log).settle()
    given = []
    for _ in range(round(8.0 / GROWING_EVERY)):
        append(log, "y\n")
        given.append(bool(watch.look(GROWING_EVERY).checkpoint))
    assert given.count(True) == 1
    append(log, oom(1))
    assert watch.look(GROWING_EVERY).checkpoint


def test_a_users_signature_is_found(watches, log):
    log.write_text("ERROR 17: the reactor is on fire\n\x1b[31mERROR 18\x1b[0m\nKilled\n")
    watch = watches(
        log,
        signatures=[
            {"id": "reactor", "pattern": r"^ERROR (?P<code>\d+)", "kind": "crash", "severity": "warning"},
            {"id": "killed", "pattern": "^Killed$", "kind": "host_oom"},
        ],
    ).settle()
    assert [(fact.signature, fact.kind, fact.severity) for fact in watch.found] == [
        ("reactor", FindingKind.CRASH, Severity.WARNING),
        ("reactor", FindingKind.CRASH, Severity.WARNING),
        ("killed", FindingKind.HOST_OOM, Severity.CRITICAL),
    ]


def test_what_the_user_ignores_is_not_found(watches, log):
    log.write_text(oom(1) + oom(2))
    watch = watches(log, signatures=[{"id": "known", "pattern": r"allocate 1\.00 GiB", "ignore": True}]).settle()
    assert watch.tried == [2]


def test_a_users_pattern_with_look_around_is_found_too(watches, log):
    log.write_text("fire\nno fire\n")
    watch = watches(log, signatures=[{"id": "fire", "pattern": "(?<!no )fire", "kind": "crash"}]).settle()
    assert [fact.text for fact in watch.found] == ["fire"]


def test_a_users_progress_is_read(watches, log):
    log.write_text("it=3|90 L0.25\n")
    watch = watches(log, progress=[{"id": "mine", "pattern": r"it=(?P<step>\d+)\|(?P<total>\d+) L(?P<loss>\S+)"}])
    progress = watch.look().logs[0].progress
    assert (progress.step, progress.total, progress.loss) == (3, 90, 0.25)


def test_samples_count_without_naming_files(watches, log):
    log.write_text(oom(1) * 30)
    watch = watches(log).settle()
    samples = {sample.name: sample for sample in watch.look().samples}
    assert samples["log_bytes_total"].value == log.stat().st_size
    assert samples["log_files"].value == 1
    assert samples["log_findings_suppressed_total"].value == 10
    assert all(sample.labels == {} for sample in samples.values())


def test_a_wanted_log_is_read_from_where_its_run_began(watches, tmp_path, log):
    log.write_text(oom(1))
    watch = watches(tmp_path / "other" / "*.log").settle()
    watch.wanted = [WantedLog(str(log), begin=log.stat().st_size)]
    append(log, oom(2))
    watch.settle()
    assert watch.tried == [2]


def test_nobody_has_a_log_followed_that_is_not_theirs_to_read(watches, tmp_path, log):
    log.write_text(oom(1))
    log.chmod(0o600)
    watch = watches(tmp_path / "other" / "*.log")
    watch.wanted = [WantedLog(str(log), uid=os.geteuid() + 1)]
    watch.settle()
    assert watch.tried == []
    assert "may not read it" in watch.source.unreadable[str(log)]
    log.chmod(0o644)
    watch.look(60.0)
    watch.settle()
    assert watch.tried == [1]
