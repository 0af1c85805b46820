"""Killed for lack of host memory: from the kernel's lines to what is said of a job."""

from agent.core import host_memory, incidents, job_alerts
from agent.core.clock import SECOND
from agent.core.facts import KernelSeen, ProcessEnded, ProcessStarted, Progress
from agent.core.jobbook import JobBook
from agent.core.jobs import KILL_WAIT, LOG_WAIT, Turn
from agent.core.kernel_log import KernelKind, Reader, Record
from agent.core.sightings import Big
from tests.core.values import NOW, event

GIB = 1 << 30
STARTED = ProcessStarted("b", 629, 70, NOW, "llama", "train.py")
CONSTRAINT = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/kubepods/pod1,"
    "task_memcg=/kubepods/pod1/c1,task=python3,pid=629,uid=1000"
)
IN_CGROUP = (
    "python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "memory: usage 134217728kB, limit 134217728kB, failcnt 1093",
    "Tasks state (memory values in pages):",
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name",
    "[    600]     0   600     1000       10       10        0         0    57344        0          -997 pause",
    "[    629]  1000   629 40000000 31457280 31457280        0         0    57344        0             0 python3",
    "[    700]  1000   700  5000000  1048576  1048576        0         0    57344        0             0 redis server",
    CONSTRAINT,
    "Memory cgroup out of memory: Killed process 629 (python3) total-vm:160000000kB, anon-rss:125829120kB, UID:1000",
)
ON_THE_NODE = (
    "[ pid ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
    "[  629]  1000   629 40000000 31457280    57344        0             0 python3",
    "Out of memory: Killed process 629 (python3) total-vm:160000000kB, anon-rss:125829120kB, file-rss:0kB",
)


def kernel(lines):
    reader = Reader()
    found = [reader.recognise(Record(0, number, 0, text)) for number, text in enumerate(lines)]
    (told,) = [item for item in found if item is not None]
    return KernelSeen("b", KernelKind.OOM_KILL, told.text, NOW, pid=told.pid, process=told.process, facts=told.facts)


def killed(*, kernel_says=None, big=(), code=137):
    """The end of a job that was killed."""
    book = JobBook([])
    book.fold(event(STARTED))
    (job,) = book.running.values()
    if kernel_says is not None:
        book.hear(job.id, host_memory.finding(kernel_says), NOW)
    book.fold(event(ProcessEnded("b", 629, 70, NOW, code, "SIGKILL" if code else None, big=big)))
    ((job, turn),) = book.conclude(NOW + LOG_WAIT, {})
    assert turn is Turn.ENDED
    return job_alerts.for_turn(job, turn, "n1", NOW)


def test_the_kernels_table_of_tasks_tells_what_else_was_big():
    assert kernel(IN_CGROUP).facts["tasks"] == [
        [629, "python3", 120 * GIB], [700, "redis server", 4 * GIB], [600, "pause", 40_960],
    ]  # fmt: skip


def test_a_kill_in_a_cgroup_is_told_with_process_limit_and_neighbours():
    failed, cause = killed(kernel_says=kernel(IN_CGROUP))

    assert (str(failed.type), failed.job["reason"], str(cause.type)) == ("job_failed", "host_oom", "host_oom")
    assert failed.message.startswith(
        "llama was killed for lack of host memory. The kernel killed pid 629 (python3), which held 120.0 GiB, at the "
        "limit of 128.0 GiB of its cgroup /kubepods/pod1. Also big then: pid 700 (redis server) 4.0 GiB, pid 600 "
    )
    assert "Suspected" not in failed.message
    assert failed.evidence[-1].startswith("Memory cgroup out of memory: Killed process 629")
    assert "host RAM" in failed.advice


def test_a_kill_on_the_node_says_so():
    failed, _ = killed(kernel_says=kernel(ON_THE_NODE))

    assert "which held 120.0 GiB, because the memory of the node was used up." in failed.message
    assert "Also big" not in failed.message


def test_without_the_kernels_word_what_was_seen_then_is_told():
    (failed,) = killed(big=(Big(700, "redis", 40 * GIB),))

    assert failed.message == "llama was killed by SIGKILL. Also big then: pid 700 (redis) 40.0 GiB."


def test_the_kernels_word_is_awaited_before_a_kill_is_judged():
    book = JobBook([])
    book.fold(event(STARTED))
    book.fold(event(ProcessEnded("b", 629, 70, NOW, 137, "SIGKILL")))
    assert book.conclude(NOW + KILL_WAIT - SECOND, {}) == []
    assert book.wake_at(NOW) == NOW + KILL_WAIT

    (job,) = book.running.values()
    book.hear(job.id, host_memory.finding(kernel(ON_THE_NODE)), NOW + SECOND)
    ((job, _),) = book.conclude(NOW + SECOND, {})
    assert job.reason == "host_oom"


def test_a_kill_of_somebody_elses_process_changes_nothing():
    assert JobBook([]).hear("job-gone", host_memory.finding(kernel(ON_THE_NODE)), NOW) == []


def test_steps_that_are_read_right_after_a_kill_do_not_show_that_it_was_survived():
    incident = incidents.add(None, host_memory.finding(kernel(IN_CGROUP)), NOW, Progress(step=1))
    assert not incidents.survived(incident, Progress(step=14), apart=False)
    assert incidents.survived(incident, Progress(step=14), apart=True)
