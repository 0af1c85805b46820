"""Out of GPU memory: a log and ten minutes of scripted memory, to the message that a channel is given."""

import pytest

from agent.core.facts import KernelSeen
from agent.core.gpu_usage import WHOLE, hour_of
from agent.core.kernel_log import KernelKind
from agent.core.ports import SendError, SendErrorKind
from agent.store import gpu_hours
from tests.support.gpus import GIB, TRAINS, ScriptedGpus
from tests.support.livelog import BOOT, LiveLog

PID, NEIGHBOUR = 4_000, 7_777
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 80.00 GiB "
    "of which 1.00 GiB is free. Of the allocated memory {} GiB is allocated by PyTorch, and {} GiB is reserved by "
    "PyTorch but unallocated."
)


class Run:
    """A job on the last of four GPUs, whose memory grows, with a neighbour on the same GPU if asked for."""

    def __init__(self, nodes, folder, neighbour=0):
        self.node = nodes()
        self.log = LiveLog(self.node, folder / "train.log", watched=False)
        self.gpus = ScriptedGpus(self.node, 4)
        self.neighbour = neighbour
        self.log.start(pid=PID)
        self.gpus.does[3] = TRAINS
        for minute in range(1, 8):
            self.log.say(f"step {minute}/5000 loss 0.5")
            self.holds(minute * 5)
            self.node.run(60, step=10)

    def holds(self, gib):
        shared = ((NEIGHBOUR, self.neighbour * GIB, "vllm"),) if self.neighbour else ()
        self.gpus.on[3] = ((PID, gib * GIB, "python3"), *shared)

    def dies(self, allocated=34, unallocated=0.1):
        """The process is gone, and with it its memory, before anybody reads its last words."""
        self.gpus.on[3] = self.gpus.on[3][1:]
        self.node.run(10, step=10)
        self.node.clock.advance(1)
        self.log.say("Traceback (most recent call last):", '  File "train.py", line 9, in <module>', "    step()")
        self.log.say(OOM.format(allocated, unallocated))
        self.log.end(1)
        self.node.run(10)

    def messages(self):
        return {str(item.message.alert.type): item.message for item in self.node.channels["ops"].sent}


def test_a_job_that_dies_of_a_neighbour_says_so_with_ten_minutes_of_memory(nodes, tmp_path):
    run = Run(nodes, tmp_path, neighbour=43)
    run.dies()
    message = run.messages()["job_failed"]

    assert "train.py ran out of GPU memory on GPU 0 at step 7 of 5000." in message.body
    assert "It was GPU 3 of the node (NVIDIA H100, GPU-3), which it counts as 0, in pid 4000." in message.body
    assert "2.0 GiB were asked for with 1.0 GiB of 80.0 GiB free." in message.body
    assert "Another program, pid 7777 (vllm), held 43.0 GiB of the GPU's memory." in message.body
    assert message.advice == "Another program holds memory on this GPU: end it, or give the job a GPU of its own."
    title, neighbour, own = message.evidence[-3:]
    assert title == "GPU memory over 7m 00s, of 80.0 GiB:"
    assert neighbour.startswith("pid 7777 vllm") and neighbour.endswith("▄ 43.0 GiB")
    assert own.startswith("pid 4000 (this job) ") and own.endswith("▄ 35.0 GiB") and "▁" in own
    assert ("GPU", "3 · NVIDIA H100 · GPU-3") in message.facts
    assert ("GPUs", "3") in message.facts
    drawn = message.chart
    assert drawn.title == "Memory of GPU 3"
    assert [(one.name, one.points[-1]) for one in drawn.series] == [
        ("pid 7777 vllm", (0.0, 43.0)), ("pid 4000 (this job)", (0.0, 35.0)),
    ]  # fmt: skip


def test_fragmentation_is_said_and_is_the_advice(nodes, tmp_path):
    run = Run(nodes, tmp_path)
    run.dies(allocated=60, unallocated=15)
    message = run.messages()["job_failed"]

    assert "15.0 GiB were reserved by the allocator but not in use: fragmentation." in message.body
    assert "expandable_segments" in message.advice
    assert "Another program" not in message.body


def test_what_was_seen_outlives_a_restart_and_a_late_delivery(nodes, tmp_path):
    run = Run(nodes, tmp_path, neighbour=43)
    run.gpus.on[3] = run.gpus.on[3][1:]
    run.log.say("Traceback (most recent call last):", '  File "train.py", line 9, in <module>', OOM.format(34, 0.1))
    run.node.run(2)
    run.node.restart()
    run.node.channels["ops"].fail = [SendError(SendErrorKind.LIMITED, "pause", retry_after=1_800.0)]
    run.log.end(1)
    run.node.run(10)
    assert run.messages() == {}

    run.gpus.on[3] = ()
    run.node.run(3_000, step=60)
    message = run.messages()["job_failed"]
    assert "pid 7777 (vllm), held 43.0 GiB" in message.body
    assert message.evidence[-1].startswith("pid 4000 ")
    assert message.chart.series[0].points[-1] == (0.0, 43.0)


@pytest.mark.parametrize("refused", [False, True])
def test_a_job_that_ends_otherwise_shows_its_loss_and_its_plain_form_shows_nothing(nodes, tmp_path, refused):
    run = Run(nodes, tmp_path)
    run.node.channels["ops"].fail = [SendError(SendErrorKind.REJECTED, "too long")] * refused
    run.log.end(1)
    run.node.run(300, step=10)
    failed = run.messages()["job_failed"]
    assert failed.plain is refused
    if refused:
        assert failed.chart is None
    else:
        assert (failed.chart.title, failed.chart.event) == ("Loss of train.py", 7.0)
        assert [step for step, _ in failed.chart.series[0].points] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("broken", ["UPDATE job_curve SET points = '[[1'", "UPDATE job SET body = '{'"])
def test_what_cannot_be_read_for_a_picture_holds_no_message_back(nodes, tmp_path, broken):
    run = Run(nodes, tmp_path)
    run.node.channels["ops"].fail = [SendError(SendErrorKind.LIMITED, "pause", retry_after=120.0)]
    run.log.end(1)
    run.node.run(100, step=10)
    run.node.database.write(lambda conn: conn.execute(broken))
    run.node.run(120, step=10)
    assert run.messages()["job_failed"].chart is None


def test_a_node_without_gpus_tells_what_the_text_says(nodes, tmp_path):
    node = nodes()
    log = LiveLog(node, tmp_path / "train.log", watched=False)
    log.start()
    log.say("step 1/10 loss 0.5", "Traceback (most recent call last):", OOM.format(70, 0.1))
    log.end(1)
    node.run(10)

    (failed,) = [item.message for item in node.channels["ops"].sent if item.what[0] == "job_failed"]
    assert "2.0 GiB were asked for with 1.0 GiB of 80.0 GiB free." in failed.body
    assert "batch size" in failed.advice


@pytest.mark.parametrize("restarts", [False, True])
def test_the_hours_of_gpus_are_kept_by_job(nodes, tmp_path, restarts):
    run = Run(nodes, tmp_path)
    if restarts:
        run.node.restart()
    run.node.run(120, step=10)
    hour = hour_of(run.node.clock.now().wall)
    rows = run.node.database.read(lambda conn: gpu_hours.of_hour(conn, hour))
    (job,) = run.node.evaluator._book.running

    held = {(key.gpu, key.job): usage for key, usage in rows.items()}
    assert held.keys() == {("GPU-3", job), *((f"GPU-{index}", WHOLE) for index in range(4))}
    lost = 80 if restarts else 0
    assert 540 - 60 - lost <= held["GPU-3", job].held <= 540
    assert held["GPU-0", WHOLE].held == 0
    assert held["GPU-3", job].memory_peak == 35 * GIB
    assert held["GPU-3", job].energy == pytest.approx(held["GPU-3", job].seen * 600)


def test_a_process_that_the_kernel_killed_for_host_memory_is_one_message_that_says_why(nodes, tmp_path):
    node = nodes()
    log = LiveLog(node, tmp_path / "train.log", watched=False)
    log.start(pid=PID)
    log.say("step 1/10 loss 0.5")
    node.run(10)
    line = f"Out of memory: Killed process {PID} (python3) total-vm:1kB, anon-rss:1kB"
    facts = {"scope": "host", "resident": 120 * GIB, "tasks": [[PID, "python3", 120 * GIB], [9, "redis", 40 * GIB]]}
    log.end(137, "SIGKILL")
    node.run(1)
    node.tell(
        KernelSeen(BOOT, KernelKind.OOM_KILL, line, node.clock.now().wall, pid=PID, process="python3", facts=facts)
    )
    node.run(5)

    told = {str(item.message.alert.type): item.message for item in node.channels["ops"].sent}
    assert list(told) == ["job_failed"]
    assert "was killed for lack of host memory at step 1 of 10. The kernel killed pid 4000" in told["job_failed"].body
    assert "Also big then: pid 9 (redis) 40.0 GiB." in told["job_failed"].body
