"""One piece of advice that fits a failure, from what was parsed out of its text."""

from collections.abc import Callable, Mapping

from agent.core import xids
from agent.core.facts import FindingKind, LogFinding
from agent.core.model import Json

ABSURD_REQUEST = 1 << 40
"""A request of a TiB is a corrupted or mistaken size, not a lack of capacity (NVIDIA/nccl#1284)."""

HANGUP = (
    "The terminal or SSH session was closed: use tmux, screen or a systemd unit; `nohup` does not help under torchrun, "
    "which handles SIGHUP itself."
)


def for_cause(cause: LogFinding) -> str | None:
    """Advice for the root of a failure; None where nothing useful is known."""
    give = _ADVICE.get(cause.kind)
    return give(cause.facts) if give else None


def for_exit(signal: str | None) -> str | None:
    """Advice for an end that no log line explains."""
    return _BY_SIGNAL.get(signal or "")


def _gpu_oom(facts: Mapping[str, Json]) -> str:
    tried, unallocated = facts.get("tried"), facts.get("unallocated")
    if tried and tried >= ABSURD_REQUEST:
        return "The requested size is absurd: suspect a bug or a corrupted tensor shape, not a lack of memory."
    if tried and unallocated and unallocated >= tried:
        return (
            "Fragmentation: PyTorch holds enough reserved but unallocated memory. "
            "Try PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True."
        )
    return "Lower the batch size or sequence length, or use gradient checkpointing or accumulation."


def _disk_full(facts: Mapping[str, Json]) -> str:
    if facts.get("grade") == "suspected":
        return "Look at space, inodes and quota where checkpoints go; the last checkpoint may be cut short."
    return "A write failed for lack of space: free space, inodes or quota where checkpoints go, then resume."


def _host_oom(facts: Mapping[str, Json]) -> str:
    if facts.get("memory") == "shm":
        return "Give /dev/shm more room (`docker run --shm-size`, an emptyDir in memory), or use fewer loader workers."
    return "This is host RAM, not GPU memory: use fewer data loader workers, smaller caches or a larger memory limit."


def _nan_loss(_: Mapping[str, Json]) -> str:
    return (
        "Go back to the last checkpoint before it; a lower learning rate, gradient clipping or bf16 instead of fp16 "
        "may help."
    )


def _stall(facts: Mapping[str, Json]) -> str | None:
    if "op" in facts or "completed" in facts:
        return "Look at what the rank that is behind, or silent, was doing; the others only waited for it."
    return None


def _xid(facts: Mapping[str, Json]) -> str | None:
    number = facts.get("xid")
    if isinstance(number, int):
        return xids.meaning(number, str(facts.get("detail", ""))).advice
    if facts.get("fault") == "memory":
        return "Memory of a GPU or link failed: drain the node, look at `dmesg` and `nvidia-smi -q`, reset the GPU."
    return None


def _crash(facts: Mapping[str, Json]) -> str | None:
    if facts.get("limit") == "files":
        return "Raise `ulimit -n`, or set torch.multiprocessing's sharing strategy to `file_system`."
    if facts.get("limit") == "on_chip":
        return "The kernel needs more on-chip memory than this GPU has: use smaller blocks or fewer stages."
    if facts.get("checkpoint"):
        return "The checkpoint is cut short or of another model: resume from the one before it."
    if "assertion" in facts:
        return "An index or label is out of range: run once with CUDA_LAUNCH_BLOCKING=1 to see where."
    return _BY_SIGNAL.get(str(facts.get("signal")))


def _cancelled(facts: Mapping[str, Json]) -> str | None:
    if facts.get("signal") == "SIGHUP":
        return HANGUP
    if facts.get("reason") == "TIME LIMIT":
        return "Ask for more time, or save a checkpoint before the limit (`#SBATCH --signal`) and resume."
    return "The node failed: resume on another one." if facts.get("reason") == "NODE FAILURE" else None


_ADVICE: Mapping[FindingKind, Callable[[Mapping[str, Json]], str | None]] = {
    FindingKind.GPU_OOM: _gpu_oom,
    FindingKind.HOST_OOM: _host_oom,
    FindingKind.DISK_FULL: _disk_full,
    FindingKind.NAN_LOSS: _nan_loss,
    FindingKind.STALL: _stall,
    FindingKind.XID: _xid,
    FindingKind.CRASH: _crash,
    FindingKind.CANCELLED: _cancelled,
}

_BY_SIGNAL: Mapping[str, str] = {
    "SIGKILL": "SIGKILL often comes from the kernel's out-of-memory killer or a memory limit: look at `dmesg`.",
    "SIGHUP": HANGUP,
    "SIGBUS": "A bus error often means that shared memory (/dev/shm) is full.",
}
