"""The cause of a failure in plain words: what happened, how sure that is, and what was not looked at."""

from collections.abc import Callable, Mapping

from agent.core import host_memory, incidents, xids
from agent.core.facts import FindingKind, LogFinding
from agent.core.model import Json

PLAIN: Mapping[str, str] = {
    FindingKind.GPU_OOM: "ran out of GPU memory",
    FindingKind.HOST_OOM: "ran out of host memory",
    FindingKind.DISK_FULL: "could not write: no space left",
    FindingKind.NAN_LOSS: "had a loss that is NaN or infinite",
    FindingKind.STALL: "hung",
    FindingKind.XID: "met a GPU fault",
    FindingKind.CRASH: "crashed",
    FindingKind.CANCELLED: "was cancelled",
}
"""What each kind is where nothing more is known; the predicate of a sentence about the job."""

RANKS_NAMED = 8

_UNSURE = "Suspected, not confirmed: "
_UNCHECKED: Mapping[FindingKind, str] = {
    FindingKind.GPU_OOM: "such an error often means a lack of memory, but not always; the GPU's memory was not seen.",
    FindingKind.HOST_OOM: "an allocation failed; no record of the kernel or a cgroup was seen.",
    FindingKind.DISK_FULL: "the write failed without saying why; space, inodes and quota of the disk were not checked.",
}
_KILLED = "it was killed by SIGKILL, and no record of the kernel, a cgroup or the scheduler was seen that says why."


def what(root: LogFinding) -> str:
    """What happened, as the predicate of a sentence about the job: `ran out of GPU memory on GPU 3`."""
    words = _WORDS.get(root.kind)
    return (words(root.facts) if words else None) or PLAIN.get(root.kind, "failed")


def explained(root: LogFinding, findings: tuple[LogFinding, ...] = (), *, memory_seen: bool = False) -> str:
    """What else there is to say, as sentences: who said it, who lags behind, and what a suspicion rests on.

    `memory_seen`: the memory of the GPU was looked at, so that its numbers speak for themselves.
    """
    killed = host_memory.sentences(root.facts) if root.kind is FindingKind.HOST_OOM else ""
    return " ".join(filter(None, (_who(root), _behind(findings), killed, "" if memory_seen else _doubt(root))))


def _who(root: LogFinding) -> str:
    told = incidents.ranks(root)
    if len(told) < 2:  # noqa: PLR2004 - one rank is told by its line
        return ""
    named = ", ".join(map(str, told[:RANKS_NAMED])) + (", …" if len(told) > RANKS_NAMED else "")
    return f"{len(told)} ranks say so: {named}."


def _behind(findings: tuple[LogFinding, ...]) -> str:
    suspects = incidents.behind(findings)
    if not suspects:
        return ""
    named = ", ".join(map(str, suspects[:RANKS_NAMED]))
    return f"Rank {named} is behind the others." if len(suspects) == 1 else f"Ranks {named} are behind the others."


def _doubt(root: LogFinding) -> str:
    if root.facts.get("grade") != "suspected":
        return ""
    killed = root.kind is FindingKind.HOST_OOM and _was_killed(root.facts)
    return _UNSURE + (_KILLED if killed else _UNCHECKED.get(root.kind, "only the log was read."))


def _was_killed(facts: Mapping[str, Json]) -> bool:
    return facts.get("signal") == "SIGKILL" or facts.get("exitcode") in (-9, 137)


def _gpu_oom(facts: Mapping[str, Json]) -> str:
    verb = "probably ran" if facts.get("grade") == "suspected" else "ran"
    return f"{verb} out of GPU memory" + (f" on GPU {facts['gpu']}" if "gpu" in facts else "")


def _host_oom(facts: Mapping[str, Json]) -> str:
    if facts.get("memory") == "shm":
        return "ran out of shared memory (/dev/shm)"
    if facts.get("grade") == "confirmed":
        return "was killed for lack of host memory"
    return "was killed, probably for lack of host memory" if _was_killed(facts) else "ran out of host memory"


def _disk_full(facts: Mapping[str, Json]) -> str:
    if facts.get("quota"):
        return "could not write: the disk quota is exceeded"
    return "could not write a checkpoint" if facts.get("grade") == "suspected" else "could not write: no space left"


def _nan_loss(facts: Mapping[str, Json]) -> str | None:
    return "stopped because numbers became NaN or infinite" if facts.get("fatal") else None


def _stall(facts: Mapping[str, Json]) -> str | None:
    if "op" in facts:
        return f"hung in a collective operation ({facts['op']}, sequence {facts.get('seq', 'unknown')})"
    return "hung in a collective operation" if "completed" in facts or "enqueued" in facts else None


def _xid(facts: Mapping[str, Json]) -> str | None:
    number = facts.get("xid")
    if not isinstance(number, int):
        return None
    known = xids.meaning(number, str(facts.get("detail", "")))
    return f"met a GPU fault (Xid {number}: {known.meaning})"


def _crash(facts: Mapping[str, Json]) -> str | None:
    if facts.get("limit") == "files":
        return "ran out of file descriptors"
    if facts.get("limit") == "on_chip":
        return "asked for more on-chip memory than the GPU has"
    if facts.get("checkpoint"):
        return "could not load a checkpoint"
    return f"failed a check on the GPU ({facts['assertion']})" if "assertion" in facts else None


def _cancelled(facts: Mapping[str, Json]) -> str:
    if "reason" in facts:
        return f"was cancelled by the scheduler ({str(facts['reason']).lower()})"
    return f"was stopped by {facts['signal']}" if "signal" in facts else PLAIN[FindingKind.CANCELLED]


_WORDS: Mapping[FindingKind, Callable[[Mapping[str, Json]], str | None]] = {
    FindingKind.GPU_OOM: _gpu_oom,
    FindingKind.HOST_OOM: _host_oom,
    FindingKind.DISK_FULL: _disk_full,
    FindingKind.NAN_LOSS: _nan_loss,
    FindingKind.STALL: _stall,
    FindingKind.XID: _xid,
    FindingKind.CRASH: _crash,
    FindingKind.CANCELLED: _cancelled,
}
