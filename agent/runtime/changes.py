"""What one round of the evaluator came to, and the single transaction that stores it."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.core.codec import encode
from agent.core.conditions import ConditionState, Phase
from agent.core.curve import Point
from agent.core.gpu_usage import Usage, UsageKey
from agent.core.job import Job
from agent.core.model import Alert, Decision, Delivery, Json
from agent.core.policy.bucket import Bucket
from agent.core.policy.decided import Change
from agent.core.policy.model import Group
from agent.core.xid_rules import XidRecord
from agent.store import alerts, decisions, events, gpu_hours, jobs, limits, meta, outbox

RULE_PREFIX = "rule."
"""Under which `meta` keeps the state of each condition."""
XID_PREFIX = "xid."
"""Under which it keeps what is known of each Xid."""


@dataclass(slots=True)
class Changes:
    """Everything that a round changed; empty if nothing happened. Storing it twice is harmless."""

    cursor: int | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    curves: dict[str, Sequence[Point]] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    rules: dict[str, ConditionState] = field(default_factory=dict)
    xids: dict[str, XidRecord | None] = field(default_factory=dict)
    usage: dict[UsageKey, Usage] = field(default_factory=dict)
    inserts: list[Delivery] = field(default_factory=list)
    moves: list[Change] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    groups: dict[Group, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        states = (self.jobs, self.curves, self.alerts, self.rules, self.xids, self.usage)
        return self.cursor is not None or any((*states, self.inserts, self.moves, self.decisions))

    def note(self, changed: Iterable[Alert]) -> None:
        """Remember alerts in their new state."""
        self.alerts |= {alert.id: alert for alert in changed}

    def note_rules(self, before: Mapping[str, ConditionState], after: Mapping[str, ConditionState]) -> None:
        """Remember the conditions whose state differs."""
        self.rules.update({key: state for key, state in after.items() if before.get(key) != state})

    def merge(self, later: "Changes") -> None:
        """Add a later round; its states replace earlier ones."""
        self.cursor = later.cursor if later.cursor is not None else self.cursor
        self.jobs |= later.jobs
        self.curves |= later.curves
        self.alerts |= later.alerts
        self.rules |= later.rules
        self.xids |= later.xids
        self.usage |= later.usage
        self.inserts += later.inserts
        self.moves += later.moves
        self.decisions += later.decisions
        self.buckets |= later.buckets
        self.groups |= later.groups


def store(conn: sqlite3.Connection, changes: Changes) -> None:
    """Write one or more rounds' changes."""
    for job in changes.jobs.values():
        jobs.save(conn, job)
    for job_id, points in changes.curves.items():
        jobs.save_curve(conn, job_id, points)
    for alert in changes.alerts.values():
        alerts.save(conn, alert)
    for row in changes.inserts:
        outbox.insert(conn, row)
    for move in changes.moves:
        outbox.update_state(conn, move.delivery_id, move.state, move.reason, move.next_at, move.merged_into)
    limits.save_buckets(conn, changes.buckets)
    limits.save_groups(conn, changes.groups)
    decisions.record(conn, changes.decisions)
    for key, state in changes.rules.items():
        _remember(conn, RULE_PREFIX + key, None if state.phase is Phase.INACTIVE else encode(state))
    for key, record in changes.xids.items():
        _remember(conn, XID_PREFIX + key, None if record is None else encode(record))
    gpu_hours.save(conn, changes.usage)
    if changes.cursor is not None:
        events.advance(conn, changes.cursor)


def _remember(conn: sqlite3.Connection, key: str, value: Json | None) -> None:
    if value is None:
        meta.delete(conn, key)
    else:
        meta.put(conn, key, value)
