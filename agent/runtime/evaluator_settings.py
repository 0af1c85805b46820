"""What the evaluator needs of the configuration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.core.bounded import bounded
from agent.core.disk_rules import DiskLimits
from agent.core.gpu_policy import GpuPolicy
from agent.core.job import Job
from agent.core.model import Alert
from agent.core.policy.model import Recipient, Rules
from agent.core.presentable import without_secrets
from agent.core.stall import StallLimits


@dataclass(frozen=True, slots=True)
class Settings:
    """What a round needs of the configuration; replaced as a whole by a reload."""

    node: str
    recipients: Sequence[Recipient]
    rules: Rules = Rules()
    disk: DiskLimits | None = None
    gpu: GpuPolicy = field(default_factory=GpuPolicy)
    pid_namespace: int | None = None
    """The agent's own, in which it can see processes end."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The user's own, added to every alert."""
    clean: Callable[[str], str] = field(default=lambda text: text)
    """Takes secrets out of texts, so that none is stored with an alert."""
    describe: Callable[[Job], Job] = field(default=lambda job: job)
    """Completes a new job from what the user wrote about it."""
    stall: Callable[[Job], StallLimits] = field(default=lambda _: StallLimits())
    """How long a job may be silent."""

    def recorded(self, alert: Alert) -> Alert:
        """An alert as it is stored: without secrets, with the user's severity and labels, no larger than it may be."""
        severity = self.rules.of(alert.type).severity
        alert = without_secrets(alert, self.clean)
        labels = {**self.labels, **alert.labels}
        return bounded(replace(alert, severity=alert.severity if severity is None else severity, labels=labels))
