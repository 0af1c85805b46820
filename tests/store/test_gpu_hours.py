"""Hours of GPUs, written again and again as they grow, and summed over a period."""

from agent.core.gpu_usage import WHOLE, Usage, UsageKey
from agent.store import gpu_hours
from agent.store.retention import retain

HOUR = 3_600_000
FIRST = 497_222 * HOUR


def row(hour, job=WHOLE, gpu="GPU-1", **usage):
    return {UsageKey(FIRST + hour * HOUR, gpu, job): Usage(seen=3600, **usage)}


def test_rows_are_replaced_and_found_by_their_hour(conn):
    gpu_hours.save(conn, row(0, busy=100))
    gpu_hours.save(conn, row(0, busy=900, energy=5.0) | row(1, busy=7))

    assert gpu_hours.of_hour(conn, FIRST) == row(0, busy=900, energy=5.0)
    assert gpu_hours.of_hour(conn, FIRST + 5 * HOUR) == {}


def test_a_period_is_summed_by_job_and_by_gpu(conn):
    for hour in range(3):
        gpu_hours.save(conn, row(hour, held=1800, energy=10.0, memory_peak=hour) | row(hour, gpu="GPU-2"))
        gpu_hours.save(conn, row(hour, "job-a", held=1800) | row(hour, "job-a", gpu="GPU-2", held=3600))

    jobs = gpu_hours.by_job(conn, FIRST, FIRST + 2 * HOUR)
    gpus = gpu_hours.by_gpu(conn, FIRST, FIRST + 3 * HOUR)

    assert {job: usage.held for job, usage in jobs.items()} == {"job-a": 10_800}
    assert gpus["GPU-1"] == Usage(seen=10_800, held=5_400, energy=30.0, memory_peak=2)
    assert gpus["GPU-2"].energy is None
    assert gpu_hours.by_job(conn, FIRST + 9 * HOUR, FIRST + 10 * HOUR) == {}


def test_old_hours_are_forgotten(conn):
    gpu_hours.save(conn, row(0) | row(5))
    retain(conn, FIRST + 6 * HOUR, retention_ms=3 * HOUR, max_rows=100)

    assert gpu_hours.of_hour(conn, FIRST) == {}
    assert gpu_hours.of_hour(conn, FIRST + 5 * HOUR) != {}
