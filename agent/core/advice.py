"""One piece of advice that fits a failure, from what was parsed out of its text."""

from collections.abc import Callable, Mapping

from agent.core.facts import FindingKind, LogFinding
from agent.core.model import Json

ABSURD_REQUEST = 1 << 50
"""A request of a PiB is a corrupted or mistaken size, not a lack of capacity."""


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


def _disk_full(_: Mapping[str, Json]) -> str:
    return "A write failed for lack of space: free space, inodes or quota where checkpoints go, then resume."


def _host_oom(_: Mapping[str, Json]) -> str:
    return "This is host RAM, not GPU memory: use fewer data loader workers, smaller caches or a larger memory limit."


_ADVICE: Mapping[FindingKind, Callable[[Mapping[str, Json]], str]] = {
    FindingKind.GPU_OOM: _gpu_oom,
    FindingKind.DISK_FULL: _disk_full,
    FindingKind.HOST_OOM: _host_oom,
}

_BY_SIGNAL: Mapping[str, str] = {
    "SIGKILL": "SIGKILL often comes from the kernel's out-of-memory killer or a memory limit: look at `dmesg`.",
    "SIGHUP": "The terminal was closed: use tmux, screen or a service; `nohup` does not help under torchrun.",
    "SIGBUS": "A bus error often means that shared memory (/dev/shm) is full.",
}
