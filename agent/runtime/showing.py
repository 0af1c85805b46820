"""What the configuration says about showing stored facts to whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from agent.core.model import Alert
from agent.core.policy.model import Recipient
from agent.core.policy.windows import QuietHours
from agent.core.presentable import presentable
from agent.core.redact import Redactor


@dataclass(frozen=True, slots=True)
class Showing:
    """What the configuration says about showing."""

    node: str
    recipients: Sequence[Recipient] = ()
    redactor: Redactor = field(default_factory=Redactor, repr=False)
    zone: tzinfo = UTC
    """The time of day in which stories are told."""
    include_paths: bool = False
    quiet_hours: QuietHours = QuietHours()

    def clean(self, alert: Alert) -> Alert:
        """The alert as eyes outside may see it."""
        return presentable(alert, self.redactor, include_paths=self.include_paths)
