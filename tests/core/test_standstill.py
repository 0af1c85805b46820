"""Looks at a job's GPUs and its steps in; whether it hangs, since when and how that is said, out."""

import pytest

from agent.core.clock import MINUTE, SECOND
from agent.core.facts import Activity, Progress
from agent.core.gpu import GpuIdentity, GpuProcess, GpuReading
from agent.core.gpu_pace import GpuPace, Pattern, follow
from agent.core.pace import Pace
from agent.core.pace import follow as steps
from agent.core.ports import LogReading
from agent.core.sightings import Stuck
from agent.core.standstill import Standstill, advice, hang_at, sentences, shortest

START = 1_790_000_000_000
TRAINS = (0.97, 600.0)
SPINS = (1.0, 120.0)
IDLES = (0.0, 90.0)


def look(*gpus):
    return [
        GpuReading(
            GpuIdentity(f"GPU-{index}", index, f"0000:0{index}:00", "H100"), utilization=busy, power=power,
            processes=(GpuProcess(70 + index),),
        )
        for index, (busy, power) in enumerate(gpus)
    ]  # fmt: skip


class Watch:
    """A job on two GPUs that makes a step and is looked at every ten seconds."""

    def __init__(self):
        self.now, self.step, self.pace, self.gpus = START, 0, Pace(), GpuPace()

    def trains(self, looks=20, *gpus):
        for _ in range(looks):
            self.step += 1
            reading = LogReading("/l", "f", 1, 1, Progress(step=self.step), self.now)
            self.pace = steps(self.pace, reading, START)
            self.shows(*(gpus or (TRAINS, TRAINS)), looks=1)
        return self

    def shows(self, *gpus, looks=13):
        for _ in range(looks):
            self.gpus = follow(self.gpus, self.pace, look(*gpus), self.now)
            self.now += 10 * SECOND
        return self

    @property
    def hang_at(self):
        return hang_at(Standstill(self.gpus), self.pace, self.pace.moved_at, steady=True)


def test_all_busy_at_a_fifth_of_their_usual_power_is_a_hang_within_three_minutes():
    watch = Watch().trains().shows(SPINS, SPINS)

    assert watch.gpus.pattern is Pattern.SPINNING
    assert watch.hang_at - watch.pace.moved_at == 2 * MINUTE + 10 * SECOND
    assert sentences(Standstill(watch.gpus), watch.now) == (
        "All 2 GPUs have been fully busy at 20% of the usual power for 2m 10s: a collective operation hangs."
    )


def test_one_that_idles_while_the_others_spin_is_named():
    watch = Watch().trains().shows(SPINS, IDLES)

    assert watch.hang_at is not None
    told = sentences(Standstill(watch.gpus), watch.now)
    assert told.startswith("GPU 1 (pid 71) has been idle for 2m 10s while the others were fully busy at 20%")
    assert advice(Standstill(watch.gpus), watch.now).startswith("Look at the rank on the GPU")


def test_one_that_works_beside_its_gpu_is_waited_for_with_reason():
    watch = Watch().trains().shows(SPINS, IDLES)
    seen = Standstill(watch.gpus, working=True)

    assert hang_at(seen, watch.pace, watch.pace.moved_at, steady=True) is None
    assert "GPU 1 (pid 71) has been idle for" in sentences(seen, watch.now)


def test_all_idle_is_said_and_waits_for_the_limit_of_the_phase():
    watch = Watch().trains().shows(IDLES, IDLES)

    assert watch.hang_at is None
    assert "have been idle for 2m 10s: the job waits for data, storage or a lock." in sentences(
        Standstill(watch.gpus), watch.now
    )


@pytest.mark.parametrize("gpus", [(TRAINS, TRAINS), (TRAINS, SPINS), ((0.5, 120.0), SPINS), (TRAINS, IDLES)])
def test_whatever_still_computes_is_no_hang(gpus):
    watch = Watch().trains().shows(*gpus)

    assert watch.gpus.pattern is None
    assert (watch.hang_at, sentences(Standstill(watch.gpus), watch.now)) == (None, "")


def test_a_pattern_that_breaks_begins_anew():
    watch = Watch().trains().shows(SPINS, SPINS, looks=6).shows(TRAINS, SPINS, looks=1).shows(SPINS, SPINS, looks=6)

    assert watch.gpus.since == watch.now - MINUTE


def test_who_did_not_look_for_a_while_does_not_know_that_it_lasted():
    watch = Watch().trains().shows(SPINS, SPINS, looks=6)
    watch.now += 5 * MINUTE
    watch.shows(SPINS, SPINS, looks=1)

    assert watch.gpus.since == watch.now - 10 * SECOND


def test_a_hang_teaches_nothing():
    watch = Watch().trains(10).shows(SPINS, SPINS, looks=200)

    assert watch.gpus.pattern is Pattern.SPINNING


def test_what_is_usual_is_learned_between_steps_with_nothing_else_between_them():
    watch = Watch().trains(3)
    watch.pace = steps(watch.pace, LogReading("/l", "f", 1, 1, None, None, None, Activity.EVALUATING, watch.now), START)
    watch.shows((0.9, 200.0), (0.9, 200.0), looks=50).trains(8).shows(SPINS, SPINS)

    assert round(watch.gpus.share, 2) == 0.2


def test_a_job_that_has_shown_no_power_yet_has_no_pattern():
    assert Watch().trains(2).shows(SPINS, SPINS).gpus.pattern is None
    assert Watch().trains(2).shows(IDLES, IDLES).gpus.pattern is Pattern.IDLE
    assert Watch().trains(20, (0.9, None)).shows((1.0, None)).gpus.pattern is None


def test_a_silence_that_the_job_has_shown_before_is_no_hang_yet():
    watch = Watch().trains(10)
    watch.now += 8 * MINUTE  # a checkpoint that no line tells of
    watch.trains(30).shows(SPINS, SPINS)

    assert watch.hang_at - watch.pace.moved_at == 8 * MINUTE + 10 * SECOND


def test_the_first_steps_which_compile_say_nothing_of_later_ones():
    watch = Watch().trains(1)
    watch.now += 20 * MINUTE
    watch.trains(30)

    assert shortest(watch.pace, steady=True) == 20 * SECOND


# --- processes -----------------------------------------------------------------------------------------------------


def test_a_process_that_the_kernel_does_not_let_run_is_a_hang_in_any_phase():
    stuck = (Stuck(77, "python3", START, "rpc_wait_bit_killable", "/mnt/data (nfs4)"), Stuck(78, "python3", START + 5))
    seen = Standstill(stuck=stuck)

    assert hang_at(seen, Pace(), START - MINUTE, steady=False) == START + 2 * MINUTE
    assert hang_at(seen, Watch().trains().pace, START, steady=True) == START + 2 * MINUTE
    assert sentences(seen, START + 3 * MINUTE) == (
        "Process 77 (python3) has been blocked in the kernel for 3m 00s on /mnt/data (nfs4) (in "
        "rpc_wait_bit_killable), and 1 more process too."
    )
    assert (sentences(seen, START), advice(seen, START)) == ("", None)
    assert advice(seen, START + MINUTE) == "Look at the storage behind /mnt/data (nfs4)."


def test_nothing_seen_is_nothing_said():
    assert hang_at(Standstill(), Pace(), START, steady=True) is None
    assert (sentences(Standstill(), START), advice(Standstill(), START)) == ("", None)
