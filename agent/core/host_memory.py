"""A process that was killed for lack of host memory: by which limit, and what else was big. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from agent.core import text
from agent.core.facts import FindingKind, KernelSeen, LogFinding, Role
from agent.core.model import Json, Severity
from agent.core.sightings import Big

NAMED = 3
"""Other processes that are named."""
PATH_LENGTH = 80
"""Characters of a cgroup's path that are shown: its end tells most."""


def finding(fact: KernelSeen) -> LogFinding:
    """The kernel's word that it killed a process, as the cause of what follows in the job's log.

    No place in that log tells what was written before, so steps that are read a moment later prove nothing: `uncaught`.
    """
    return LogFinding(
        path="/dev/kmsg", file=f"kmsg:{fact.boot_id}", offset=0, signature="kernel_oom_kill",
        kind=FindingKind.HOST_OOM, role=Role.ROOT, severity=Severity.CRITICAL, text=fact.text,
        facts={
            "grade": "confirmed", "signal": "SIGKILL", "pid": fact.pid, "process": fact.process, "uncaught": True,
            **fact.facts,
        },
    )  # fmt: skip


def sentences(facts: Mapping[str, Json]) -> str:
    """What the kernel told of a kill, in words; empty where it told nothing."""
    pid = facts.get("pid")
    if pid is None or "scope" not in facts:
        return ""
    held = f", which held {text.size(facts['resident'])}," if "resident" in facts else ""
    told = f"The kernel killed pid {pid} ({facts.get('process')}){held} {_limit(facts)}."
    big = (Big(*entry) for entry in facts.get("tasks", ()))
    return f"{told} {others(big, except_for={pid})}".strip()


def others(big: Iterable[Big], except_for: Iterable[int] = ()) -> str:
    """Name the other big processes; empty where there are none."""
    left_out = set(except_for)
    named: Sequence[str] = [
        f"pid {item.pid} ({item.name}) {text.size(item.held)}" for item in big if item.pid not in left_out
    ]
    return f"Also big then: {', '.join(named[:NAMED])}." if named else ""


def _limit(facts: Mapping[str, Json]) -> str:
    if facts["scope"] != "cgroup":
        return "because the memory of the node was used up"
    group, limit = str(facts.get("cgroup", "")), facts.get("limit")
    path = group if len(group) <= PATH_LENGTH else f"…{group[-PATH_LENGTH:]}"
    at = f" of {text.size(limit)}" if limit is not None else ""
    return f"at the limit{at} of its cgroup {path}".rstrip()
