"""When not even the reserve helps: critical alerts go out past the store, once, and are stored when it works again."""

from agent.core.facts import Event, HandedIn
from agent.core.model import AlertType, DeliveryState, Severity, Status
from agent.core.policy.model import Recipient
from agent.core.ports import SendError, SendErrorKind
from agent.store import events
from agent.store.database import Database
from agent.store.errors import StoreFull
from tests.support.clock import START

CRITICAL = Event(
    "handed-1", "spool", START, HandedIn(AlertType.JOB_FAILED, Status.EVENT, Severity.CRITICAL, job={"id": "j"})
)
INFO = Event(
    "handed-2", "spool", START, HandedIn(AlertType.JOB_COMPLETED, Status.EVENT, Severity.INFO, job={"id": "k"})
)


def refuse(self, body):
    raise StoreFull("database or disk is full")


def fill(monkeypatch, node, *waiting):
    """The store refuses from now on; a source shows what it could not commit."""
    monkeypatch.setattr(Database, "write", refuse)
    node.board.hold_unstored("spool", waiting)


def empty(monkeypatch, node, *waiting):
    """There is space again; the source commits what it held."""
    monkeypatch.undo()
    node.database.write(lambda conn: events.append(conn, waiting))
    node.board.hold_unstored("spool", ())


def test_what_is_critical_is_sent_though_nothing_can_be_stored(nodes, monkeypatch):
    node = nodes()
    node.run(1)
    fill(monkeypatch, node, CRITICAL, INFO)
    node.run(5)
    assert sorted(node.sent()) == [("agent_degraded", "fired"), ("job_failed", "fired")]
    assert all("not durable" in sent.message.footer for sent in node.channels["ops"].sent)


def test_all_of_it_is_stored_once_there_is_space_and_nothing_is_sent_twice(nodes, monkeypatch):
    node = nodes(Recipient("ops", "slack"), Recipient("hook", "webhook", program=True))
    node.run(1)
    fill(monkeypatch, node, CRITICAL, INFO)
    node.run(60)
    empty(monkeypatch, node, CRITICAL, INFO)
    node.run(120)
    for channel in ("ops", "hook"):
        assert sorted(node.sent(channel)) == [
            ("agent_degraded", "fired"),
            ("agent_degraded", "resolved"),
            ("job_completed", "fired"),
            ("job_failed", "fired"),
        ]
    assert {row.state for row in node.deliveries()} == {DeliveryState.DELIVERED}
    assert {node.alert(row[0]).type for row in node.alerts()} == {
        AlertType.JOB_FAILED,
        AlertType.JOB_COMPLETED,
        AlertType.AGENT_DEGRADED,
    }


def test_a_channel_that_fails_meanwhile_is_tried_again(nodes, monkeypatch):
    node = nodes()
    node.run(1)
    node.channels["ops"].fail = [SendError(SendErrorKind.RETRY, "down")] * 2
    fill(monkeypatch, node, CRITICAL)
    node.run(60)
    assert sorted(node.sent()) == [("agent_degraded", "fired"), ("job_failed", "fired")]


def test_what_waits_in_memory_is_bounded(nodes, monkeypatch):
    node = nodes()
    node.run(1)
    many = [
        Event(
            f"handed-{n}",
            "spool",
            START,
            HandedIn(AlertType.JOB_COMPLETED, Status.EVENT, Severity.INFO, job={"id": str(n)}),
        )
        for n in range(1_500)
    ]
    fill(monkeypatch, node, *many)
    node.run(3)
    empty(monkeypatch, node, *many)
    node.run(120)
    page, _ = node.metrics.page()
    assert b'notifications_dropped_total{reason="store_refuses"} 0.0' in page
    assert len([sent for sent in node.sent() if sent[0] == "job_completed"]) == 1_500
