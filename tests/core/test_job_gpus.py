"""Which GPUs a job has, and which of them its process means by its own number."""

import pytest

from agent.core.gpu import GpuIdentity, GpuProcess, GpuReading, MemoryPoint
from agent.core.job import Job, Process, Rank
from agent.core.job_gpus import held, meant, pids_of, visible, where
from agent.core.ports import TreeReading
from agent.core.sightings import RankSeen, TreeSeen

BOOT = "boot-1"
GIB = 1 << 30


def gpu(index, *pids, name="NVIDIA H100", used=0, process_name="python3"):
    identity = GpuIdentity(f"GPU-{index}abc", index, f"0000:0{index}:00", name)
    running = tuple(GpuProcess(pid, GIB, process_name) for pid in pids)
    return GpuReading(identity, memory_used=used, processes=running)


def indices(gpus):
    return [item.index for item in gpus]


NODE = [gpu(0), gpu(1), gpu(2), gpu(3)]


# --- whose processes -----------------------------------------------------------------------------------------------


def test_a_jobs_pids_are_its_leader_its_ranks_and_all_that_belong_to_them():
    job = Job("j", ("k",), "train.py", 0, process=Process(BOOT, 10, 1), ranks=(Rank(11, 2, 0), Rank(12, 2, 1)))
    seen = TreeSeen(BOOT, 11, 2, 0, "train.py", "", ranks=(RankSeen(11, 2), RankSeen(12, 2)))
    trees = [
        TreeReading(11, "train.py", True, "", seen, pids=(11, 12, 13)),
        TreeReading(50, "other.py", True, "", TreeSeen(BOOT, 50, 9, 0, "other.py", ""), pids=(50, 51)),
        TreeReading(60, "bash", False, ""),
    ]

    assert pids_of(job, trees, None) == {10, 11, 12, 13}
    assert pids_of(Job("j", ("k",), "x", 0), trees, None) == frozenset()


def test_a_pid_that_counts_in_another_namespace_means_nothing_here():
    job = Job("j", ("k",), "train.py", 0, process=Process(BOOT, 10, 1, pid_namespace=77))

    assert pids_of(job, [], 5) == frozenset()
    assert pids_of(job, [], 77) == {10}


# --- which GPUs ----------------------------------------------------------------------------------------------------


def test_memory_tells_most():
    node = [gpu(0, 7), gpu(1, 8), gpu(2, 9)]

    assert indices(held({"a": {7, 9}, "b": {8}}, {"a": ("1",)}, node)["a"]) == [0, 2]


def test_after_that_counts_what_the_environment_allows():
    assert indices(held({"a": {7}, "b": set()}, {"a": ("2", "0")}, NODE)["a"]) == [2, 0]


def test_then_where_memory_was_held_lately_by_what_has_just_died():
    assert indices(held({"a": {7}}, {"a": ("2", "0")}, NODE, {"GPU-1abc": {7, 8}})["a"]) == [1]


def test_a_job_alone_has_what_is_in_use():
    node = [gpu(0, used=20 * GIB), gpu(1)]

    assert indices(held({"a": set()}, {}, node)["a"]) == [0]
    assert held({"a": set(), "b": set()}, {}, node)["a"] == ()


def test_a_job_alone_does_not_have_what_others_are_seen_to_hold():
    assert held({"a": {7}}, {}, [gpu(0, 99, used=20 * GIB)])["a"] == ()
    hidden = [gpu(0, 99, used=20 * GIB, process_name=None)]
    assert indices(held({"a": {7}}, {}, hidden)["a"]) == [0]


@pytest.mark.parametrize(
    ("allowed", "found"),
    [
        (("2", "0"), [2, 0]),
        (("GPU-3a", "GPU-1abc"), [3, 1]),
        (("1", "-1", "2"), [1]),
        (("GPU-",), []),
        (("MIG-1",), []),
        ((), []),
    ],
)
def test_names_count_in_their_order_up_to_the_first_that_is_none(allowed, found):
    assert indices(visible(allowed, NODE)) == found


def test_numbers_mean_nothing_where_gpus_differ():
    node = [gpu(0), gpu(1, name="NVIDIA T4")]

    assert visible(("1",), node) == ()
    assert indices(visible(("GPU-1",), node)) == [1]


# --- which one of them ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "allowed", "on", "found"),
    [
        (0, ("3", "1"), (), 3),
        (1, ("3", "1"), ("GPU-3abc", "GPU-1abc"), 1),
        (0, (), ("GPU-2abc",), 2),  # each rank sees but one GPU, and calls it 0
        (0, ("0", "1"), ("GPU-1abc",), 1),
        (None, (), ("GPU-2abc",), 2),
        (0, (), ("GPU-1abc", "GPU-2abc"), None),
        (5, ("3",), (), None),
        (0, (), (), None),
    ],
)
def test_the_gpu_that_a_process_means(number, allowed, on, found):
    told = meant(number, allowed, NODE, frozenset(on))

    assert (told.index if told else None) == found


def test_the_only_gpu_of_a_node_is_the_one():
    assert meant(0, (), NODE[2:3], frozenset()).index == 2


def test_memory_lately_held_shows_where_a_dead_process_was():
    memory = {"GPU-0abc": [MemoryPoint(1, GIB, {7: GIB}), MemoryPoint(2, 0, {})], "GPU-1abc": [MemoryPoint(1, 0, {})]}

    assert where({7}, memory) == {"GPU-0abc"}
