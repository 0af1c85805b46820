"""When the node is to go down: told once it is scheduled, and for the last minutes what explains everything else."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC

from agent.core.clock import MINUTE, SECOND
from agent.core.conditions import MISSING
from agent.core.episodes import Condition, Seen
from agent.core.local_time import local
from agent.core.model import AlertType, Sample, Severity

SAMPLE = "shutdown_scheduled_timestamp_seconds"
"""The sample that says when, with the label `mode`; 0 while nothing is scheduled."""
NODE, SHUTDOWN = "node", "shutdown"
"""The components of the two conditions: that it is scheduled, and that it is about to happen."""
CLOSES = 5 * MINUTE
"""How long before it the node counts as going down: from then on logind lets nobody log in any more."""
OVERDUE = 30 * MINUTE
"""How long after it a node that is still up counts as one that stays."""
WORDS: Mapping[str, tuple[str, str]] = {
    "reboot": ("A reboot", "reboots"),
    "kexec": ("A reboot", "reboots"),
    "soft-reboot": ("A restart of all programs", "restarts all of its programs"),
    "poweroff": ("A power-off", "is powered off"),
    "halt": ("A halt", "is halted"),
}
"""By logind's mode, in words."""


def look(samples: Sequence[Sample], node: str, now: int) -> Iterator[Seen]:
    """Judge what the source shows at `now` (UTC milliseconds); no samples mean that it has not looked yet."""
    found = next((sample for sample in samples if sample.name == SAMPLE), None)
    at = int(found.value * SECOND) if found is not None else 0
    noun, verb = WORDS.get(found.labels.get("mode", "") if found is not None else "", ("A shutdown", "goes down"))
    scheduled = bool(at) and now - at < OVERDUE
    closing = scheduled and at - now <= CLOSES
    notice = Condition(
        type=AlertType.AGENT_DEGRADED,
        identity={"node_id": node, "component": NODE},
        title=f"{noun} of the node is scheduled",
        message=f"The node {verb} at {local(at, UTC):%Y-%m-%d %H:%M} UTC. What trains there by then ends.",
        advice="Save a checkpoint in time. To call it off: shutdown -c",
    )
    last_minutes = Condition(
        type=AlertType.AGENT_DEGRADED,
        identity={"node_id": node, "component": SHUTDOWN},
        title="The node goes down",
        message="Only the ends of jobs are told until it is up again.",
    )
    unseen = MISSING if found is None else None
    yield Seen(notice, Severity.WARNING if scheduled else unseen)
    yield Seen(last_minutes, Severity.INFO if closing else unseen)
