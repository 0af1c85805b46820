"""What one round of the evaluator came to, and the single transaction that stores it."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.core.codec import encode
from agent.core.conditions import ConditionState, Phase
from agent.core.curve import Point
from agent.core.job import Job
from agent.core.model import Alert, Decision, Delivery
from agent.core.policy.bucket import Bucket
from agent.core.policy.model import Group
from agent.core.policy.plan import Change
from agent.store import alerts, decisions, events, jobs, limits, meta, outbox

RULE_PREFIX = "rule."
"""Under which `meta` keeps the state of each condition."""


@dataclass(slots=True)
class Changes:
    """Everything that a round changed; empty if nothing happened. Storing it twice is harmless."""

    cursor: int | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    curves: dict[str, Sequence[Point]] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    rules: dict[str, ConditionState] = field(default_factory=dict)
    inserts: list[Delivery] = field(default_factory=list)
    moves: list[Change] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    groups: dict[Group, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.cursor is not None or any(
            (self.jobs, self.curves, self.alerts, self.rules, self.inserts, self.moves, self.decisions)
        )

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
        if state.phase is Phase.INACTIVE:
            meta.delete(conn, RULE_PREFIX + key)
        else:
            meta.put(conn, RULE_PREFIX + key, encode(state))
    if changes.cursor is not None:
        events.advance(conn, changes.cursor)
