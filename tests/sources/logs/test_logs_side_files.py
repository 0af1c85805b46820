import json
import os

import pytest

from agent.core.clock import SECOND, Instant
from agent.core.facts import Progress
from agent.core.ports import LogReading
from agent.finished import builtin_rules, scan
from agent.sources.logs.side_files import KEPT, LOOK_EVERY, REST_FOR, SideFiles, candidates, joined, last_of_log, state
from agent.sources.mounts import Reach
from tests.sources.logs.watching import append

BAR = "\r  2%|2         | 20/1000 [00:04<03:16,  2.00s/it]"
NOW = 1_767_225_600_000


def line(step, loss=None, total=1_000, epoch=0.5, **more):
    told = {"current_steps": step, "total_steps": total, "loss": loss, "lr": 1e-4, "epoch": epoch} | more
    return json.dumps({key: value for key, value in told.items() if value is not None}) + "\n"


def trainer_state(step, losses=(), total=1_000):
    history = [{"epoch": 0.1, "grad_norm": 1.5, "learning_rate": 1e-4, "loss": loss, "step": 10} for loss in losses]
    history.append({"epoch": 0.1, "eval_loss": 9.5, "eval_runtime": 1.0, "step": step})
    told = {
        "best_global_step": None, "epoch": 1.25, "eval_steps": 500, "global_step": step, "is_world_process_zero": True,
        "log_history": history, "logging_steps": 10, "max_steps": total, "num_train_epochs": 3, "save_steps": 500,
        "stateful_callbacks": {"TrainerControl": {"args": {"should_log": False}, "attributes": {}}}, "total_flos": 1e9,
    }  # fmt: skip
    return json.dumps(told, indent=2, sort_keys=True) + "\n"


def test_the_last_line_of_a_trainer_log_counts_and_an_evaluation_has_no_loss():
    tail = 'ps": 8, "loss": 9.0}\n' + line(10, 2.5) + line(20, 2.25) + line(20, None, eval_loss=2.0, epoch=0.75)
    assert last_of_log(tail) == Progress(20, 1_000, 0.75, 2.25, framework="llama-factory")
    assert last_of_log("no JSON\n[1]\n{}\n3\n") is None


def test_a_trainer_state_is_read_at_its_ends():
    text = trainer_state(500, losses=(3.0, 2.5))
    assert state(text[:4_096], text[-32_768:]) == Progress(500, 1_000, 1.25, 2.5, framework="transformers")
    long = trainer_state(9_000, losses=[1.0] * 5_000 + [0.75])
    assert len(long) > 500_000
    assert state(long[:4_096], long[-32_768:]).loss == 0.75
    assert state("{}", "{}") is None


def test_side_files_are_beside_the_log_or_where_it_says_that_checkpoints_go():
    assert list(candidates("/runs/a.log", None)) == ["/runs/trainer_log.jsonl", "/runs/trainer_state.json"]
    assert list(candidates("/runs/a.log", "out/checkpoint-500")) == [
        "/runs/out/trainer_log.jsonl", "/runs/trainer_log.jsonl", "/runs/out/checkpoint-500/trainer_state.json",
        "/runs/out/trainer_state.json", "/runs/trainer_state.json",
    ]  # fmt: skip
    assert next(candidates("/runs/a.log", "/data/out")) == "/data/out/trainer_log.jsonl"


def test_the_newer_numbers_count_and_the_older_fill_in():
    shown = Progress(step=20, total=1_000, loss=2.0, throughput=0.5, framework="transformers")
    newer, older = Progress(30, 1_000, 0.5, 1.5, framework="llama-factory"), Progress(10, 1_000, 0.25, 2.5)
    assert joined(shown, newer) == Progress(30, 1_000, 0.5, 1.5, 0.5, "llama-factory")
    assert joined(shown, older) == Progress(20, 1_000, 0.25, 2.0, 0.5)
    assert joined(Progress(loss=2.0), older) == Progress(10, 1_000, 0.25, 2.5)
    assert joined(shown, Progress(30, 900)) is shown
    assert joined(shown, None) is shown


def test_a_followed_log_takes_the_numbers_from_beside_it(watches, tmp_path):
    log, side = tmp_path / "train.log", tmp_path / "trainer_log.jsonl"
    log.write_text(BAR)
    watch = watches(log)
    assert watch.look().logs[0].progress == Progress(20, 1_000, throughput=0.5)
    append(side, line(30, 2.5))
    written(side, watch.clock.now())
    append(log, "\nwords\n")
    watch.look(LOOK_EVERY)
    assert watch.logs[str(log)].progress == Progress(30, 1_000, 0.5, 2.5, 0.5, "llama-factory")
    assert watch.logs[str(log)].progress_at == watch.clock.now().wall


def test_side_files_go_on_where_the_log_is_silent(watches, tmp_path):
    log, side = tmp_path / "train.log", tmp_path / "trainer_log.jsonl"
    log.write_text(BAR)
    watch = watches(log)
    watch.look()
    for step in (30, 40):
        append(side, line(step, 2.5))
        written(side, watch.clock.now())
        watch.look(LOOK_EVERY + 1)
    assert watch.logs[str(log)].progress.step == 40
    assert watch.logs[str(log)].progress_at == watch.clock.now().wall
    watch.look(REST_FOR)
    append(side, line(50, 2.5))
    watch.look(LOOK_EVERY)
    assert watch.logs[str(log)].progress.step == 40


def test_the_log_says_where_checkpoints_go_also_before_a_restart(watches, tmp_path):
    log, out = tmp_path / "train.log", tmp_path / "runs" / "out" / "checkpoint-20"
    out.mkdir(parents=True)
    log.write_text(f"{BAR}Saving model checkpoint to {out}\n")
    watch = watches(log).settle()
    (out / "trainer_state.json").write_text(trainer_state(20, losses=(1.5,)))
    written(out / "trainer_state.json", watch.clock.now())
    watch.settle()
    watch.kill()
    append(log, "words\n")
    watch.look(LOOK_EVERY)
    assert watch.logs[str(log)].progress == Progress(20, 1_000, 1.25, 1.5, 0.5, "transformers")


@pytest.mark.parametrize("trouble", ["old", "of another run", "a folder", "no numbers", "out of reach", "no training"])
def test_what_is_not_the_runs_own_changes_nothing(tmp_path, trouble):
    log, side = tmp_path / "train.log", tmp_path / "trainer_log.jsonl"
    log.write_text(BAR)
    if trouble == "a folder":
        side.mkdir()
    else:
        side.write_text("no JSON\n" if trouble == "no numbers" else line(30, 2.5, 900 if "run" in trouble else 1_000))
    moment = Instant(NOW, 1_000.0)
    written(side, Instant(NOW - (10 * SECOND if trouble == "old" else 0), 0.0))
    shown = None if trouble == "no training" else Progress(20, 1_000)
    reading = LogReading(str(log), f"1:2:{NOW}", 10, 10, shown, NOW, NOW)
    reach = Reach(within="/nowhere") if trouble == "out of reach" else Reach()
    assert SideFiles(reach).join(reading, None, moment) is reading


def test_what_cannot_be_read_is_counted_and_does_no_harm(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(BAR)
    (tmp_path / "trainer_log.jsonl").symlink_to(tmp_path / "trainer_log.jsonl")
    reading = LogReading(str(log), f"1:2:{NOW}", 10, 10, Progress(20, 1_000), NOW, NOW)
    sides = SideFiles(Reach())
    assert sides.join(reading, None, Instant(NOW, 1_000.0)) is reading
    assert sides.failures == 1


def test_a_finished_log_is_scanned_with_its_side_files(tmp_path):
    log, side = tmp_path / "train.log", tmp_path / "trainer_log.jsonl"
    log.write_text(BAR)
    side.write_text(line(30, 2.5))
    summary = scan(builtin_rules(), str(log)).summary
    assert (summary["step"], summary["total_steps"], summary["loss"], summary["epoch"]) == (30, 1_000, 2.5, 0.5)
    later = log.stat().st_mtime + 3_600
    os.utime(side, (later, later))
    assert scan(builtin_rules(), str(log)).summary["step"] == 20


def test_the_memory_of_side_files_is_bounded(tmp_path):
    sides = SideFiles(Reach())
    for number in range(KEPT + 10):
        sides.join(LogReading("/a.log", f"1:{number}:3", 1, 1, Progress(1, 2), 3), None, Instant(NOW, 1_000.0))
    assert len(sides._known) == KEPT


def written(path, moment):
    os.utime(path, (moment.wall / 1_000, moment.wall / 1_000))
