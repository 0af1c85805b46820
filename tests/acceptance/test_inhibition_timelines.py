"""Timelines of what explains what: every row of the table, whichever comes first, and how the other is named."""

from datetime import UTC

import pytest

from agent.core import story
from agent.core.clock import MINUTE
from agent.core.model import TYPES, Alert, AlertType, Severity, Status
from agent.core.policy.inhibition import TABLE
from agent.core.policy.model import Recipient
from agent.store import deliveries

EVERYTHING = Recipient("ops", "slack", alerts=frozenset(AlertType))
LASTING = [row for row in TABLE if all(TYPES[kind].condition for kind in row.source.types)]


def name(row):
    return f"{min(row.source.types)}-{'-'.join(row.equal)}-{min(row.target.types)}"


def one_of(which, title, severity, now):
    """An alert that fits, of GPU 3, which job j holds, on /data."""
    kind = min(which.types)
    rule = min(which.rules) if which.rules else "some"
    place = "component" if kind is AlertType.AGENT_DEGRADED else "rule"
    severity = severity if severity in which.severities else min(which.severities)
    labels = {"gpu_uuid": "GPU-3", "mountpoint": "/data", place: rule}
    status = Status.FIRING if TYPES[kind].condition else Status.EVENT
    return Alert(
        title, kind, f"mark of {title}", status, severity, title, "", now, labels=labels, gpu={"index": 3},
        job_id="j", job={"id": "j", "gpus": [3]},
    )  # fmt: skip


def pair(row, now):
    source = one_of(row.source, "the cause", Severity.CRITICAL, now)
    target = one_of(row.target, "what follows", Severity.WARNING, now)
    assert row.explains(source, target)
    return source, target


def told(node):
    return [(item.message.alert.title, str(item.message.kind)) for item in node.channels["ops"].sent]


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_what_is_explained_is_named_in_the_message_and_not_told(nodes, clock, row):
    node = nodes(EVERYTHING)
    source, target = pair(row, clock.now().wall)
    node.evaluator.take(target, target.starts_at)
    node.evaluator.take(source, source.starts_at)
    node.run(5)
    assert told(node) == [("the cause", "fired")]
    assert dict(node.channels["ops"].sent[0].message.facts)["Also affected"] == "what follows"
    assert "Also affected: what follows." in explained(node, source)
    assert f"The alert is not sent: alert {source.id} explains it already." in explained(node, target)


@pytest.mark.parametrize("row", LASTING, ids=name)
def test_what_follows_later_is_named_by_the_next_message_and_makes_none(nodes, clock, row):
    node = nodes(EVERYTHING)
    source, target = pair(row, clock.now().wall)
    node.evaluator.take(source, source.starts_at)
    node.run(60)
    node.evaluator.take(target, clock.now().wall)
    node.run_until(clock.now().wall + 10 * MINUTE)
    assert told(node) == [("the cause", "fired")]
    node.resolve(source.id)
    node.run(30)
    assert told(node) == [("the cause", "fired"), ("the cause", "resolved")]
    assert dict(node.channels["ops"].sent[-1].message.facts)["Also affected"] == "what follows"
    node.run(60)
    assert told(node)[2:] == [("what follows", "fired")]


def test_very_much_that_follows_is_counted_and_makes_no_message_either(nodes, clock):
    node = nodes(EVERYTHING)
    row = next(row for row in TABLE if "driver_lost" in (row.source.rules or ()) and not row.target.rules)
    source, _ = pair(row, clock.now().wall)
    node.evaluator.take(source, source.starts_at)
    node.run(60)
    for n in range(30):
        node.evaluator.take(one_of(row.target, f"GPU {n} is hot", Severity.WARNING, clock.now().wall), 0)
        node.run(5)
    assert told(node) == [("the cause", "fired")]
    node.resolve(source.id)
    node.run(5)
    affected = dict(node.channels["ops"].sent[-1].message.facts)["Also affected"]
    assert affected == "; ".join([f"GPU {n} is hot" for n in range(8)]) + "; and 22 more"


def explained(node, alert):
    """What `explain` says, as one text."""
    made, current = node.decisions(alert.id), node.alert(alert.id)
    rows = node.database.read(lambda conn: deliveries.of_alerts(conn, [alert.id]))
    return "\n".join(story.tell(current, made, rows, (), UTC))
