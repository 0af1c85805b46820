"""Silence over hours, in a real log under a hand-driven clock: what slow training must not cause, what a hang must."""

import pytest

from agent.core.model import AlertType
from agent.core.policy.model import Recipient
from tests.support.livelog import LiveLog

MINUTE, HOUR = 60.0, 3_600.0
ONLY_STALLS = Recipient("ops", "slack", alerts=frozenset({AlertType.TIMEOUT_WARNING}))


class Training:
    """A job started by `exec`, whose log a test writes; time passes in steps of ten seconds."""

    def __init__(self, nodes, folder, *recipients):
        self.node = nodes(*(recipients or (ONLY_STALLS,)))
        self.log = LiveLog(self.node, folder / "train.log", watched=False)
        self.step = 0
        self.log.start()

    def trains(self, steps, seconds=10.0, total=100_000):
        for _ in range(steps):
            self.step += 1
            self.log.say(f"step {self.step}/{total} loss 0.5")
            self.waits(seconds)
        return self

    def says(self, *lines):
        self.log.say(*lines)
        return self

    def waits(self, seconds, step=10.0):
        self.node.run(seconds, step=step)
        return self

    @property
    def told(self):
        return [kind for _, kind in self.node.sent()]

    @property
    def message(self):
        return self.node.channels["ops"].sent[-1].message.alert


@pytest.fixture
def training(nodes, tmp_path):
    return Training(nodes, tmp_path)


def test_starting_may_take_its_warm_up_and_longer_while_the_log_moves(training):
    training.waits(29 * MINUTE)
    assert training.told == []

    for _ in range(6):
        training.says("worker 3 is reading shards").waits(20 * MINUTE)
    assert training.told == []

    training.waits(11 * MINUTE)
    assert training.told == ["fired"]
    assert training.message.message.endswith("no step for 30m 00s. Phase: starting, in which 30m 00s are tolerated.")


def test_preparing_for_hours_with_a_moving_bar_is_one_note(training):
    for done in range(7 * 6):
        training.says(f"Map:  {done}%|# | {done}/100 [00:10<00:10, 5.0 examples/s]").waits(10 * MINUTE, step=60)

    assert training.told == ["fired"]
    assert str(training.message.severity) == "info"
    assert "has been preparing for 6h 00m" in training.message.message


def test_first_steps_may_compile_and_a_hang_among_them_is_told(training):
    training.trains(2).waits(19 * MINUTE)
    assert training.told == []

    training.waits(2 * MINUTE)
    assert training.told == ["fired"]
    assert "since step 2/100000. Phase: first steps, in which 20m 00s" in training.message.message

    training.trains(3)
    assert training.told == ["fired", "resolved"]


def test_steady_training_learns_its_limit_and_a_hang_is_told_once_and_resolved(training):
    training.trains(20).waits(4.5 * MINUTE)
    assert training.told == []

    training.waits(MINUTE).waits(3 * HOUR, step=60)
    assert training.told == ["fired"]
    assert "Phase: training, in which 5m 00s are tolerated, learned from this job." in training.message.message
    assert training.message.job["step"] == 20

    training.trains(1)
    assert training.told == ["fired", "resolved"]
    training.trains(20).waits(31 * MINUTE, step=60)
    assert training.told == ["fired", "resolved", "fired"]


def test_steps_of_many_minutes_are_not_stalls(training):
    training.trains(8, seconds=18 * MINUTE).waits(16 * MINUTE, step=60)
    assert training.told == []

    training.waits(4 * MINUTE, step=60)
    assert training.told == ["fired"]
    assert "36m 00s are tolerated" in training.message.message


def test_an_evaluation_has_an_hour_the_first_time_and_then_three_times_the_longest(training):
    training.trains(10).says("***** Running Evaluation *****").waits(50 * MINUTE, step=60)
    training.trains(10).says("***** Running Evaluation *****").waits(2 * HOUR, step=60)
    assert training.told == []

    training.waits(HOUR, step=60)
    assert training.told == ["fired"]
    assert "Phase: evaluation" in training.message.message


def test_a_checkpoint_has_half_an_hour_the_first_time(training):
    training.trains(10).says("Saving model checkpoint to out/checkpoint-10").waits(25 * MINUTE, step=60)
    assert training.told == []

    training.waits(6 * MINUTE)
    assert training.told == ["fired"]
    assert "Phase: saving a checkpoint, in which 30m 00s" in training.message.message

    training.says("Model weights saved in out").trains(1)
    assert training.told == ["fired", "resolved"]


def test_a_checkpoint_that_was_saved_is_training_again(training):
    training.trains(10).says("saving checkpoint at iteration 10 to out").waits(MINUTE)
    training.says("  successfully saved checkpoint at iteration 10 to out").waits(6 * MINUTE)

    assert training.told == ["fired"]


def test_bars_of_data_between_epochs_are_preparation(training):
    training.trains(10)
    for done in range(20):
        training.says(f"Map:  {done}%|# | {done}/100 [00:10<00:10, 5.0 examples/s]").waits(5 * MINUTE, step=60)
    assert training.told == []

    training.waits(31 * MINUTE, step=60)
    assert training.told == ["fired"]


def test_a_program_that_finished_and_does_not_end_is_told(training):
    training.trains(10, total=10)
    training.says("Training completed. Do not forget to share your model on huggingface.co/models =)")
    training.waits(29 * MINUTE, step=60)
    assert training.told == []

    training.waits(2 * MINUTE)
    assert training.told == ["fired"]
    assert training.message.title == "Training finished but the program did not end"

    training.log.end(0)
    training.waits(10)
    assert training.told == ["fired", "resolved"]


def test_a_restart_of_the_agent_neither_repeats_nor_resolves_nor_invents(training):
    training.trains(20).waits(6 * MINUTE)
    assert training.told == ["fired"]
    training.node.restart()
    training.waits(HOUR, step=60)
    assert training.told == ["fired"]
    training.trains(1)
    assert training.told == ["fired", "resolved"]


def test_the_agents_own_downtime_is_no_stall_and_teaches_nothing(training):
    training.trains(20)
    training.node.clock.advance(5 * HOUR)
    training.node.restart()
    training.waits(4 * MINUTE)
    assert training.told == []

    training.trains(20).waits(6 * MINUTE)
    assert training.told == ["fired"]
    assert "in which 5m 00s are tolerated" in training.message.message


def test_a_job_without_a_log_is_never_called_stalled(nodes, tmp_path):
    node = nodes(ONLY_STALLS)
    log = LiveLog(node, tmp_path / "none.log", watched=False)
    log.start()
    node.run(12 * HOUR, step=60)

    assert node.sent() == []


def test_a_stall_that_ends_the_job_is_one_message(nodes, tmp_path):
    both = Recipient("ops", "slack", alerts=frozenset({AlertType.TIMEOUT_WARNING, AlertType.JOB_FAILED}))
    training = Training(nodes, tmp_path, both)
    training.trains(20).says(
        "[rank0]:[E321 02:07:08.408 ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog caught collective operation timeout: "
        "WorkNCCL(SeqNum=1580, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600060 "
        "milliseconds before timing out."
    ).waits(20)
    assert training.node.sent() == [("timeout_warning", "fired")]

    training.log.end(134, "SIGABRT")
    training.waits(10)
    assert training.node.sent() == [("timeout_warning", "fired"), ("job_failed", "fired")]
    assert training.message.job["reason"] == "stall"


def test_a_batch_skipped_for_lack_of_memory_is_no_word_of_a_hang(training):
    training.trains(20).says("| WARNING: ran out of memory, skipping batch").waits(20)
    assert training.told == []

    training.waits(6 * MINUTE)
    assert training.told == ["fired"]


def test_a_loss_that_is_no_number_is_told_once_worsens_and_recovers(nodes, tmp_path):
    losses = Recipient("ops", "slack", alerts=frozenset({AlertType.LOSS_ANOMALY}))
    training = Training(nodes, tmp_path, losses)
    training.trains(5)
    training.step += 1
    training.says(f"step {training.step}/100 loss nan").waits(10)
    training.trains(3)
    assert training.told == []

    for _ in range(25):
        training.step += 1
        training.says(f"step {training.step}/100 loss nan").waits(10)
    assert training.told == ["fired", "escalated"]
    assert training.message.message.startswith("The loss of train.py is NaN or infinite at step")

    training.trains(2)
    assert training.told == ["fired", "escalated", "resolved"]
