"""Why a GPU ran out of memory: facts of the error and ten minutes of memory in, sentences, chart and advice out."""

from agent.core.clock import MINUTE
from agent.core.codec import decode, encode
from agent.core.gpu import GpuIdentity, GpuProcess, GpuReading, MemoryPoint
from agent.core.memory_chart import chart
from agent.core.post_mortem import Autopsy, Body, examine

GIB = 1 << 30
START = 1_790_000_000_000
GPU = GpuIdentity("GPU-1", 3, "0000:05:00", "NVIDIA H100")
PROCESSES = (GpuProcess(7, None, "python3"), GpuProcess(9, None, "vllm"))
READING = GpuReading(GPU, memory_total=80 * GIB, processes=PROCESSES)
OWN = frozenset({7})
ASKED = {"tried": 2 * GIB, "free": GIB, "total": 80 * GIB}
HERE = "It was GPU 3 of the node (NVIDIA H100, GPU-1)."


def points(*held, used=None):
    """Memory by pid, one point a minute."""
    return [
        MemoryPoint(START + minute * MINUTE, used or sum(by_pid.values()), by_pid) for minute, by_pid in enumerate(held)
    ]


def test_a_neighbour_that_holds_the_memory_is_named_and_is_the_advice():
    shared = {7: 40 * GIB, 9: 39 * GIB}
    told = examine(Body(ASKED, READING, points(shared, shared), OWN))

    assert told.sentences == (
        HERE,
        "2.0 GiB were asked for with 1.0 GiB of 80.0 GiB free.",
        "Another program, pid 9 (vllm), held 39.0 GiB of the GPU's memory.",
    )
    assert told.advice == "Another program holds memory on this GPU: end it, or give the job a GPU of its own."
    assert told.gpu == GPU


def test_the_process_may_be_dead_by_now_and_others_may_have_come():
    told = examine(Body(ASKED, READING, points({7: 40 * GIB, 9: 39 * GIB}, {7: 41 * GIB, 9: 38 * GIB}, {5: GIB}), OWN))

    assert "pid 9 (vllm), held 38.0 GiB" in told.sentences[-1]
    assert not any("pid 5" in line for line in told.chart)
    assert told.chart[0] == "GPU memory over 1m 00s, of 80.0 GiB:"


def test_memory_that_no_visible_process_holds_is_another_containers():
    told = examine(Body(ASKED, READING, points({7: 40 * GIB}, {7: 40 * GIB}, used=79 * GIB), OWN))

    assert told.sentences[-1] == "39.0 GiB were held by what cannot be seen from here."
    assert told.advice.startswith("Look for another container on this GPU")


def test_a_neighbour_that_only_the_error_names_is_named():
    told = examine(Body(ASKED | {"other_pid": 4242, "other_used": 60 * GIB}, None, (), OWN))

    assert told.sentences[-1] == "Another program, pid 4242, held 60.0 GiB of the GPU's memory."
    assert told.advice.startswith("Another program")


def test_much_that_is_reserved_and_not_in_use_is_fragmentation():
    fragmented = ASKED | {"allocated": 60 * GIB, "unallocated": 15 * GIB}

    told = examine(Body(fragmented)).sentences
    assert told[-1] == "15.0 GiB were reserved by the allocator but not in use: fragmentation."
    assert "fragmentation" not in " ".join(examine(Body(fragmented | {"unallocated": GIB})).sentences)
    assert "fragmentation" not in " ".join(examine(Body(fragmented | {"tried": 1 << 60})).sentences)


def test_which_process_and_which_gpu_it_means_by_its_own_number():
    told = examine(Body({"gpu": 0}, READING, (), OWN, pid=7, rank=3)).sentences

    assert told == ("It was GPU 3 of the node (NVIDIA H100, GPU-1), which it counts as 0, in pid 7, rank 3.",)
    assert examine(Body({"gpu": 0}, None, (), OWN, rank=3)).sentences == ("It was rank 3.",)


def test_where_the_jobs_own_pids_are_not_seen_nobody_is_accused():
    told = examine(Body({"tried": GIB, "total": 80 * GIB}, READING, points({9: 70 * GIB}, {9: 70 * GIB}), OWN))

    assert told.sentences == (HERE,)
    assert told.advice is None


def test_nothing_known_is_nothing_said():
    assert examine(Body({})) == Autopsy()


def test_it_can_be_kept():
    told = examine(Body(ASKED, READING, points({7: GIB}, {7: GIB}), OWN))

    assert decode(Autopsy, encode(told)) == told


def test_the_chart_shows_every_process_over_time():
    drawn = chart(points(*({7: minute * 8 * GIB, 9: 6 * GIB} for minute in range(11))), 80 * GIB, OWN, {7: "python3"})

    assert drawn[0] == "GPU memory over 10m 00s, of 80.0 GiB:"
    assert drawn[1].startswith("pid 7 python3 (this job) ··")
    assert drawn[1].endswith("█ 80.0 GiB")
    assert drawn[2].startswith("pid 9")
    assert drawn[2].endswith("▁ 6.0 GiB")
    assert drawn[2].count("▁") == 24


def test_where_no_process_is_told_the_whole_is_drawn():
    drawn = chart(points({}, {}, used=40 * GIB), 80 * GIB, OWN, {})

    assert drawn[1] == f"in use {'▄' * 24} 40.0 GiB"


def test_many_processes_do_not_make_a_long_chart():
    crowd = {pid: pid * GIB for pid in range(1, 11)}

    assert chart(points(crowd, crowd), 80 * GIB, OWN, {})[-1] == "and 4 more processes"


def test_one_look_draws_nothing():
    assert chart(points({7: GIB}), 80 * GIB, OWN, {}) == ()
