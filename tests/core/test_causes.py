"""The cause of a failure in plain words."""

import pytest

from agent.core import advice, causes
from agent.core.facts import FindingKind
from agent.core.signatures import builtin, read
from tests.core.values import finding

KINDS = FindingKind
BY_ID = {signature.id: signature for signature in builtin()}


def cause(kind, **facts):
    return finding(kind=kind, facts=facts)


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (cause(KINDS.GPU_OOM, gpu=3), "ran out of GPU memory on GPU 3"),
        (cause(KINDS.GPU_OOM, grade="suspected"), "probably ran out of GPU memory"),
        (cause(KINDS.HOST_OOM, grade="confirmed"), "was killed for lack of host memory"),
        (cause(KINDS.HOST_OOM, grade="suspected", exitcode=-9), "was killed, probably for lack of host memory"),
        (cause(KINDS.HOST_OOM, grade="suspected"), "ran out of host memory"),
        (cause(KINDS.HOST_OOM, grade="confirmed", memory="shm"), "ran out of shared memory (/dev/shm)"),
        (cause(KINDS.DISK_FULL), "could not write: no space left"),
        (cause(KINDS.DISK_FULL, quota=True), "could not write: the disk quota is exceeded"),
        (cause(KINDS.DISK_FULL, grade="suspected"), "could not write a checkpoint"),
        (cause(KINDS.NAN_LOSS), "had a loss that is NaN or infinite"),
        (cause(KINDS.STALL, op="ALLREDUCE", seq=1580), "hung in a collective operation (ALLREDUCE, sequence 1580)"),
        (cause(KINDS.STALL), "hung"),
        (cause(KINDS.XID, xid=79), "met a GPU fault (Xid 79: the GPU fell off the bus)"),
        (cause(KINDS.CRASH), "crashed"),
        (cause(KINDS.CRASH, assertion="t >= 0"), "failed a check on the GPU (t >= 0)"),
        (cause(KINDS.CRASH, limit="files"), "ran out of file descriptors"),
        (cause(KINDS.CRASH, checkpoint=True), "could not load a checkpoint"),
        (cause(KINDS.CANCELLED, signal="SIGHUP"), "was stopped by SIGHUP"),
        (cause(KINDS.CANCELLED, reason="TIME LIMIT"), "was cancelled by the scheduler (time limit)"),
    ],
)
def test_what_happened(root, words):
    assert causes.what(root) == words


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (KINDS.STARTED, KINDS.COMPLETED)])
def test_every_kind_has_words(kind):
    assert causes.what(cause(kind)) == causes.PLAIN[kind]


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (cause(KINDS.HOST_OOM, grade="suspected", signal="SIGKILL"), "no record of the kernel, a cgroup or"),
        (cause(KINDS.HOST_OOM, grade="suspected"), "no record of the kernel or a cgroup"),
        (cause(KINDS.GPU_OOM, grade="suspected"), "the GPU's memory was not seen"),
        (cause(KINDS.DISK_FULL, grade="suspected"), "space, inodes and quota of the disk were not checked"),
    ],
)
def test_a_suspicion_says_what_was_not_looked_at(root, words):
    said = causes.explained(root)
    assert said.startswith("Suspected, not confirmed: ")
    assert words in said


def test_what_is_certain_needs_no_more_words():
    assert causes.explained(cause(KINDS.GPU_OOM)) == ""
    assert causes.explained(cause(KINDS.HOST_OOM, grade="confirmed")) == ""


def test_several_ranks_are_named():
    root = cause(KINDS.GPU_OOM, ranks=list(range(12)))
    assert causes.explained(root) == "12 ranks say so: 0, 1, 2, 3, 4, 5, 6, 7, …."


def test_who_lags_behind_is_named():
    root = cause(KINDS.STALL, op="ALLREDUCE", seq=96117, positions={"0": 96117, "7": 64088})
    assert causes.explained(root, (root,)) == "Rank 7 is behind the others."


@pytest.mark.parametrize(
    ("signature", "text", "words"),
    [
        ("shared_memory", "DataLoader worker (pid 3) is killed by signal: Bus error.", "--shm-size"),
        ("file_limit", "OSError: [Errno 24] Too many open files", "ulimit -n"),
        ("checkpoint_load", "RuntimeError: PytorchStreamReader failed reading zip archive", "the one before"),
        ("triton_resources", "out of resource: shared memory, Required: 2, Hardware limit: 1", "smaller blocks"),
        ("device_assert", "Assertion `t >= 0` failed.", "CUDA_LAUNCH_BLOCKING=1"),
        ("torchrun_signal", "SignalException: Process 4 got signal: 1", "tmux"),
        ("torchrun_death_signal", "Received 1 death signal, shutting down workers", "tmux"),
        ("slurm_cancelled", "*** JOB 1 ON n CANCELLED AT 2021-05-27T21:42:11 DUE TO TIME LIMIT ***", "more time"),
        ("loss_stopped", "Loss is nan, stopping training", "learning rate"),
        ("gpu_ecc", "CUDA error: uncorrectable ECC error encountered", "drain the node"),
        ("xid", "NVRM: Xid (PCI:0000:05:00): 79, GPU has fallen off the bus.", "node"),
        ("write_failed", "unexpected pos 1 vs 2", "inodes and quota"),
    ],
)
def test_advice_fits_what_the_line_told(signature, text, words):
    reading = read(BY_ID[signature], text)
    assert words in advice.for_cause(finding(kind=reading.kind, facts=reading.facts))
