import pytest
from store_values import LEASE, NOW, alert, delivery

from agent.core.model import DeliveryState, Hold
from agent.store import alerts, backlog, deliveries, outbox
from agent.store.outbox import Settlement

DEAD = Settlement(DeliveryState.DEAD, "rejected", NOW + 7, reason="client_error", error="HTTP 400", status=400)


@pytest.fixture
def rows(conn):
    """One row in each state, all of one alert, named after their state; the dead one died at NOW + 7."""
    alerts.save(conn, alert())
    outbox.insert(conn, delivery("dead"))
    outbox.settle(conn, outbox.claim(conn, "ops", "me", NOW, LEASE), "me", DEAD)
    outbox.insert(conn, delivery("sending", created_at=NOW - 500))
    outbox.claim(conn, "ops", "me", NOW, LEASE)
    for state in set(DeliveryState) - {DeliveryState.DEAD, DeliveryState.SENDING}:
        outbox.insert(conn, delivery(state.value, state=state, created_at=NOW - 1_000, next_at=NOW + 9_000))
    return conn


def state(conn, delivery_id):
    return deliveries.get(conn, delivery_id).state


def test_open_rows_are_counted_by_channel_and_state(rows):
    outbox.insert(rows, delivery("p", channel="pager"))
    assert sorted(backlog.lengths(rows)) == [
        ("ops", DeliveryState.DEFERRED, 1), ("ops", DeliveryState.QUEUED, 1), ("ops", DeliveryState.SENDING, 1),
        ("pager", DeliveryState.QUEUED, 1),
    ]


def test_the_oldest_row_is_one_that_should_be_sent(rows):
    rows.execute("UPDATE delivery SET created_at = 0 WHERE id = 'deferred'")
    assert backlog.oldest(rows, NOW) == {"ops": 1_000}
    assert backlog.oldest(rows, 0) == {"ops": 0}


def test_dead_rows_are_counted_in_all_and_lately(rows):
    outbox.insert(rows, delivery("full", channel="mail", state=DeliveryState.DEAD, reason="queue_full"))
    assert backlog.dead_counts(rows) == {"ops": 1, "mail": 1}
    assert backlog.dead_since(rows, NOW + 7) == {"ops": 1}
    assert backlog.dead_since(rows, NOW) == {"ops": 1, "mail": 1}
    assert backlog.dead_since(rows, NOW + 8) == {}


def test_the_list_shows_what_waits_and_what_is_dead(rows):
    assert {row.id for row in backlog.listed(rows, 100)} == {"dead", "sending", "queued", "deferred"}
    assert [row.id for row in backlog.listed(rows, 2)] == ["dead", "sending"]


def test_a_retry_of_all_hurries_what_waits_and_revives_the_dead(rows):
    assert backlog.requeue(rows, None, NOW) == 2
    revived = deliveries.get(rows, "dead")
    assert (revived.state, revived.attempts, revived.next_at, revived.reason) == (DeliveryState.QUEUED, 1, NOW, None)
    assert deliveries.get(rows, "queued").next_at == NOW
    assert backlog.dead_counts(rows) == {}


def test_a_retry_by_id_touches_nothing_else(rows):
    assert backlog.requeue(rows, ["dead", "delivered", "sending", "deferred", "unknown"], NOW) == 1
    assert deliveries.get(rows, "queued").next_at == NOW + 9_000
    assert state(rows, "sending") is DeliveryState.SENDING


def test_what_waits_for_one_channel_is_hurried_but_for_what_waits_for_morning(rows):
    outbox.insert(rows, delivery("night", reason=Hold.QUIET_HOURS, next_at=NOW + 9_000))
    outbox.insert(rows, delivery("p", channel="pager", next_at=NOW + 9_000))
    assert backlog.hasten(rows, "ops", NOW) == 1
    due = {name: deliveries.get(rows, name).next_at - NOW for name in ("queued", "deferred", "night", "p")}
    assert due == {"queued": 0, "deferred": 9_000, "night": 9_000, "p": 9_000}


def test_a_dropped_row_stays_in_the_history_with_the_reason(rows):
    assert backlog.drop(rows, ["queued", "deferred", "dead", "delivered", "sending"]) == 3
    dropped = deliveries.get(rows, "dead")
    assert (dropped.state, dropped.reason, dropped.last_error) == (
        DeliveryState.SUPPRESSED, "dropped_by_user", "HTTP 400",
    )
    assert state(rows, "delivered") is DeliveryState.DELIVERED
