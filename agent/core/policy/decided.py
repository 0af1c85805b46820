"""What a round of policy comes to: rows for the outbox, changes to rows, and the reasons for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent.core.model import Decision, Delivery, DeliveryState
from agent.core.policy.bucket import Bucket
from agent.core.policy.model import Action, Group

STATE_AFTER: Mapping[Action, DeliveryState] = {
    Action.PASS: DeliveryState.QUEUED,
    Action.DEFER: DeliveryState.DEFERRED,
    Action.MERGE: DeliveryState.DEFERRED,
    Action.SUPPRESS: DeliveryState.SUPPRESSED,
    Action.SUPERSEDE: DeliveryState.SUPERSEDED,
    Action.GIVE_UP: DeliveryState.DEAD,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A new state for an existing delivery that is not being sent."""

    delivery_id: str
    channel: str
    state: DeliveryState
    reason: str | None
    next_at: int
    merged_into: str | None = None

    def of(self, row: Delivery) -> Delivery:
        """The delivery after it."""
        return replace(
            row, state=self.state, reason=self.reason, next_at=self.next_at, merged_into=self.merged_into
        )


@dataclass(slots=True)
class Plan:
    """What one round decided; `wake_at` is when the next decision falls due by itself."""

    inserts: list[Delivery] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    groups: dict[Group, int] = field(default_factory=dict)
    affected: dict[str, list[str]] = field(default_factory=dict)
    """Titles of what an alert explains, by its id."""
    wake_at: int | None = None

    def wake(self, at: int | None) -> None:
        """Ask for another round at `at`, unless one is asked for sooner."""
        if at is not None and (self.wake_at is None or at < self.wake_at):
            self.wake_at = at
