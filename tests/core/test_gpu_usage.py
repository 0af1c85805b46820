"""Two looks at the GPUs in, what happened between them out."""

from agent.core.gpu import GpuIdentity, GpuReading
from agent.core.gpu_usage import WHOLE, Usage, UsageKey, hour_of, taken

HOUR = 1_790_000_000_000 - 1_790_000_000_000 % 3_600_000
GPU = GpuIdentity("GPU-1", 0, "0000:05:00", "NVIDIA H100")
GIB = 1 << 30


def reading(**values):
    return GpuReading(GPU, **values)


def between(before, after, holders=(), seconds=10.0):
    return taken({"GPU-1": before}, [after], {"GPU-1": tuple(holders)}, hour=HOUR, seconds=seconds)


def test_a_gpu_without_a_job_is_seen_and_not_held():
    rows = between(reading(energy=100.0), reading(energy=900.0, utilization=0.5, memory_used=GIB))

    assert rows == {
        UsageKey(HOUR, "GPU-1", WHOLE): Usage(seen=10, measured=10, busy=5, energy=800, memory_peak=GIB),
    }


def test_jobs_that_share_a_gpu_each_count_in_full():
    rows = between(reading(), reading(utilization=0.0), holders=("a", "b"))

    assert {key.job: (usage.held, usage.idle) for key, usage in rows.items()} == {
        WHOLE: (10, 10), "a": (10, 10), "b": (10, 10),
    }  # fmt: skip


def test_energy_goes_by_power_where_the_counter_began_anew_or_is_missing():
    assert between(reading(energy=900.0), reading(energy=5.0, power=70.0)).popitem()[1].energy == 700
    assert between(reading(), reading(power=70.0)).popitem()[1].energy == 700
    assert between(reading(), reading()).popitem()[1].energy is None


def test_a_long_gap_a_new_gpu_and_one_in_trouble_count_nothing():
    assert between(reading(), reading(), seconds=121) == {}
    assert between(reading(), reading(), seconds=-1) == {}
    assert between(reading(), reading(trouble=15)) == {}
    assert taken({}, [reading()], {}, hour=HOUR, seconds=10) == {}


def test_what_is_unknown_does_not_spoil_a_sum():
    total = Usage(seen=10, measured=10, busy=4, energy=None) + Usage(seen=10, energy=50.0, memory_peak=GIB)

    assert (total.seen, total.utilization, total.energy, total.memory_peak) == (20, 0.4, 50.0, GIB)
    assert Usage(seen=10).utilization is None


def test_the_hour_of_a_moment():
    assert hour_of(HOUR) == hour_of(HOUR + 3_599_999) == HOUR
