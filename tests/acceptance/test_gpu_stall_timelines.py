"""Stalls with GPUs to look at: a timed log and scripted readings, replayed under a hand-driven clock."""

from dataclasses import replace

import pytest

from agent.core.gpu import DriverState, GpuDriver
from agent.core.gpu_policy import policy
from agent.core.model import AlertType
from agent.core.policy.model import Recipient
from tests.support.gpus import IDLES, SPINS, TRAINS, ScriptedGpus
from tests.support.livelog import LiveLog

MINUTE = 60.0
FAST = 3 * MINUTE
PID = 4_000
ONLY_STALLS = Recipient("ops", "slack", alerts=frozenset({AlertType.TIMEOUT_WARNING}))


class Training:
    """A job on four GPUs that makes a step every ten seconds as long as it trains."""

    def __init__(self, nodes, folder, gpus=4):
        self.node = nodes(ONLY_STALLS)
        self.log = LiveLog(self.node, folder / "train.log", watched=False)
        self.gpus = ScriptedGpus(self.node, gpus)
        self.gpus.run(*[PID] * gpus)
        self.step = 0
        self.log.start(pid=PID)

    def trains(self, steps=25):
        self.gpus.all_do(TRAINS)
        for _ in range(steps):
            self.step += 1
            self.log.say(f"step {self.step}/100000 loss 0.5")
            self.stepped_at = self.node.clock.now().wall
            self.node.run(10, step=10)
        return self

    def waits(self, seconds, *gpus, saying=None):
        """Let time pass with the GPUs doing this, and a line in the log every half minute."""
        self.gpus.does = list(gpus) if len(gpus) > 1 else [gpus[0]] * self.gpus.count
        for _ in range(int(seconds // 10)):
            if saying and self.node.clock.now().wall % 30_000 < 10_000:
                self.log.say(saying)
            self.node.run(10, step=10)
        return self

    @property
    def told(self):
        return [kind for _, kind in self.node.sent()]

    @property
    def found_after(self):
        """Seconds from the last step to the first message."""
        return (self.node.channels["ops"].sent[0].at - self.stepped_at) / 1000

    @property
    def alert(self):
        return self.node.channels["ops"].sent[-1].message.alert


@pytest.fixture
def training(nodes, tmp_path):
    return Training(nodes, tmp_path).trains()


# --- found ---------------------------------------------------------------------------------------------------------


def test_a_collective_hang_is_found_within_three_minutes_told_once_and_over_with_the_next_step(training):
    training.waits(FAST, SPINS)

    assert training.told == ["fired"]
    assert training.found_after <= 140
    assert training.alert.title == "Training hangs"
    assert "has made no step for" in training.alert.message
    assert "All 4 GPUs have been fully busy at 20% of the usual power" in training.alert.message
    assert training.alert.advice.startswith("Look for the rank that is missing")

    training.waits(20 * MINUTE, SPINS).waits(5 * MINUTE, IDLES).waits(MINUTE, TRAINS)
    assert training.told == ["fired"]
    training.trains(1)
    assert training.told == ["fired", "resolved"]


@pytest.mark.parametrize("line", ["[rank0] heartbeat: process alive", "INFO:root:still here, queue size 7"])
def test_heartbeats_do_not_hide_it(training, line):
    training.waits(FAST, SPINS, saying=line)

    assert training.told == ["fired"]
    assert "a collective operation hangs" in training.alert.message


def test_one_gpu_that_idles_while_the_others_spin_is_named(training):
    training.waits(FAST, SPINS, SPINS, IDLES, SPINS)

    assert training.told == ["fired"]
    assert training.found_after <= 140
    assert "GPU 2 (pid 4000) has been idle for" in training.alert.message


def test_a_process_on_a_dead_mount_is_named_with_it(training):
    began = training.node.clock.now().wall
    training.gpus.stuck = [(PID, "python3", began, "rpc_wait_bit_killable", "/mnt/data (nfs4)")]
    training.waits(FAST, IDLES)

    assert training.told == ["fired"]
    assert "Process 4000 (python3) has been blocked in the kernel for" in training.alert.message
    assert "on /mnt/data (nfs4) (in rpc_wait_bit_killable)." in training.alert.message
    assert training.alert.advice == "Look at the storage behind /mnt/data (nfs4)."


def test_a_process_on_a_dead_mount_is_found_before_the_first_step_as_well(nodes, tmp_path):
    training = Training(nodes, tmp_path)
    training.log.say("loading /mnt/data")
    training.waits(MINUTE, IDLES)
    training.gpus.stuck = [(PID, "python3", training.node.clock.now().wall, None, "/mnt/data (nfs4)")]
    training.waits(FAST, IDLES)

    assert training.told == ["fired"]


def test_a_deadlock_of_the_data_loader_is_found_at_the_learned_limit(training):
    training.waits(4.5 * MINUTE, IDLES)
    assert training.told == []

    training.waits(MINUTE, IDLES)
    assert training.told == ["fired"]
    assert training.found_after <= 5.5 * MINUTE
    assert "the job waits for data, storage or a lock." in training.alert.message
    assert training.alert.advice.startswith("Look at the data loader")


def test_the_agent_may_be_restarted_in_the_middle_without_a_second_alert(training):
    training.waits(FAST, SPINS)
    training.node.restart()
    training.waits(10 * MINUTE, SPINS)
    assert training.told == ["fired"]

    training.trains(1)
    assert training.told == ["fired", "resolved"]


@pytest.mark.parametrize("pids", [[PID] * 4, [9_000] * 4], ids=["on its GPUs", "on others"])
def test_a_driver_that_does_not_answer_explains_the_stall_of_a_job_that_holds_gpus(nodes, tmp_path, pids):
    training = Training(nodes, tmp_path)
    training.node.settings = replace(training.node.settings, gpu=policy({}, {}, None, "boot-1", watched=True))
    training.gpus.run(*pids)
    training.trains()
    training.gpus.driver = GpuDriver(DriverState.HUNG, detail="no answer within 30 s")
    training.waits(40 * MINUTE, IDLES)
    assert training.told == ([] if PID in pids else ["fired"])

    training.gpus.driver = GpuDriver(DriverState.RUNNING)
    training.waits(MINUTE * 2, IDLES)
    assert training.told == ["fired"]


# --- silent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["***** Running Evaluation *****", "Saving model checkpoint to out/checkpoint-25"])
@pytest.mark.parametrize("gpus", [SPINS, IDLES])
def test_a_long_evaluation_or_checkpoint_is_silent_whatever_gpus_do(training, line, gpus):
    training.log.say(line)
    training.waits(15 * MINUTE, gpus).trains(3)

    assert training.told == []


def test_a_checkpoint_that_one_rank_writes_while_the_others_wait_is_silent(training):
    training.log.say("saving checkpoint at iteration 25 to out")
    training.waits(15 * MINUTE, IDLES, SPINS, SPINS, SPINS).trains(3)

    assert training.told == []


def test_a_checkpoint_that_no_line_tells_of_is_no_hang_while_its_writer_works(training):
    training.gpus.working = frozenset({PID})
    training.waits(4 * MINUTE, IDLES, SPINS, SPINS, SPINS).trains(3)

    assert training.told == []


@pytest.mark.parametrize("gpus", [SPINS, IDLES])
def test_a_slow_first_step_and_a_compile_are_silent(nodes, tmp_path, gpus):
    training = Training(nodes, tmp_path)
    training.waits(15 * MINUTE, gpus).trains(1).waits(15 * MINUTE, gpus).trains(3)

    assert training.told == []


def test_a_silence_that_the_job_has_shown_before_is_no_hang(training):
    training.waits(2 * MINUTE, SPINS).trains(60).waits(2 * MINUTE, SPINS).trains(3)

    assert training.told == []


def test_gpus_that_still_compute_are_no_hang(training):
    training.waits(4 * MINUTE, TRAINS, SPINS, SPINS, SPINS).trains(3)

    assert training.told == []


def test_another_jobs_gpus_say_nothing(training):
    training.gpus.run(PID, PID, 9_000, 9_000)
    training.waits(MINUTE, TRAINS, TRAINS, SPINS, SPINS).trains(3).waits(4 * MINUTE, TRAINS, TRAINS, SPINS, IDLES)

    assert training.told == []
