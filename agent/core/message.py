"""From an alert to a channel-neutral message: what to say, before any channel decides how to show it."""

from dataclasses import dataclass

from agent.core.model import Alert, Link, NotificationKind, Severity, Status


@dataclass(frozen=True, slots=True)
class Message:
    """One notification ready to be rendered; texts are plain, unescaped, redacted and free of control characters."""

    alert: Alert
    kind: NotificationKind
    reason: str
    """The contract's `notification_reason`, for example "first notification"."""
    severity: Severity
    status: Status
    emoji: str
    title: str
    """The headline without emoji."""
    body: str
    """One paragraph; may be empty."""
    facts: tuple[tuple[str, str], ...]
    """Label and value, in the order to show: Model, Duration, Final loss, Steps, Node, GPUs, Error."""
    evidence: tuple[str, ...]
    advice: str | None
    links: tuple[Link, ...]
    footer: str
    """The job's id (else the alert's), the node, and marks such as "test" or "may repeat"."""
    at: int
    """When it was sent, UTC milliseconds."""
    plain: bool = False
    """Asked for the short fallback: no markup, truncated."""
    provider_ref: str | None = None
    """The provider's id of an earlier message about the same fingerprint."""

    @property
    def headline(self) -> str:
        """Emoji and title."""
        return f"{self.emoji} {self.title}"
