"""Why a GPU ran out of memory: facts of the error and ten minutes of memory in, sentences, chart and advice out."""

from agent.core.clock import MINUTE
from agent.core.gpu import GpuIdentity, GpuProcess, GpuReading, MemoryPoint
from agent.core.post_mortem import Autopsy, chart, examine

GIB = 1 << 30
START = 1_790_000_000_000
GPU = GpuIdentity("GPU-1", 3, "0000:05:00", "NVIDIA H100")
PROCESSES = (GpuProcess(7, None, "python3"), GpuProcess(9, None, "vllm"))
READING = GpuReading(GPU, memory_total=80 * GIB, processes=PROCESSES)
OWN = frozenset({7})


def points(*held):
    """Memory by pid, one point a minute."""
    return [
        MemoryPoint(START + minute * MINUTE, sum(by_pid.values()), by_pid) for minute, by_pid in enumerate(held)
    ]


def test_a_neighbour_that_holds_the_memory_is_named_and_is_the_advice():
    shared = {7: 40 * GIB, 9: 39 * GIB}
    told = examine({"tried": 2 * GIB, "free": GIB, "total": 80 * GIB}, READING, points(shared, shared), OWN)

    assert told.sentences == (
        "2.0 GiB were asked for with 1.0 GiB free.",
        "Another program, pid 9 (vllm), held 39.0 GiB of the GPU's 80.0 GiB.",
    )
    assert told.advice == "Another program holds memory on this GPU: end it, or give the job a GPU of its own."


def test_much_that_is_reserved_and_not_in_use_is_fragmentation():
    facts = {"tried": 2 * GIB, "free": GIB, "total": 80 * GIB, "allocated": 60 * GIB, "unallocated": 15 * GIB}

    assert "expandable_segments" in examine(facts, None, [], OWN).advice
    assert examine(facts | {"unallocated": GIB}, None, [], OWN).advice is None


def test_an_absurd_size_is_a_bug():
    assert "no real size" in examine({"tried": 1 << 60, "total": 80 * GIB}, None, [], OWN).advice


def test_where_the_jobs_own_pids_are_not_seen_nobody_is_accused():
    told = examine({"tried": GIB, "total": 80 * GIB}, READING, points({9: 70 * GIB}, {9: 70 * GIB}), OWN)

    assert told.sentences == ()
    assert told.advice is None


def test_nothing_known_is_nothing_said():
    assert examine({}, None, [], frozenset()) == Autopsy()


def test_the_chart_shows_every_process_over_time():
    drawn = chart(points(*({7: minute * 8 * GIB, 9: 6 * GIB} for minute in range(11))), 80 * GIB, OWN, {7: "python3"})

    assert drawn[0] == "GPU memory over 10 min, of 80.0 GiB:"
    assert drawn[1].startswith("pid 7 python3 (this job)  ")
    assert drawn[1].endswith("█ 80.0 GiB")
    assert drawn[2].startswith("pid 9")
    assert drawn[2].endswith("▁ 6.0 GiB")
    assert drawn[2].count("▁") == 24


def test_many_processes_do_not_make_a_long_chart():
    crowd = {pid: pid * GIB for pid in range(1, 11)}

    assert chart(points(crowd, crowd), 80 * GIB, OWN, {})[-1] == "and 4 more processes"


def test_one_look_draws_nothing():
    assert chart(points({7: GIB}), 80 * GIB, OWN, {}) == ()
