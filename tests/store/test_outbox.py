import threading
from dataclasses import replace

import pytest
from store_values import LEASE, NOW, alert, delivery

from agent.core.model import DeliveryState, Severity, Status
from agent.store import alerts, deliveries, outbox
from agent.store.database import Database
from agent.store.outbox import Settlement

DELIVERED = Settlement(DeliveryState.DELIVERED, "delivered", NOW + 50, status=200, provider_ref="ts-1")
RETRY = Settlement(
    DeliveryState.QUEUED, "retry", NOW + 50, reason="server_error", next_at=NOW + 5_000, error="HTTP 503", status=503
)


def put(conn, *rows):
    for row in rows:
        alerts.save(conn, row.snapshot)
        assert outbox.insert(conn, row)


def line(prefix, **changes):
    """A delivery of its own alert, so that it stands in no other's line."""
    return delivery(prefix, of=alert(f"alert-{prefix}", severity=changes.pop("severity", Severity.WARNING)), **changes)


def take(conn, owner="me", now=NOW, channel="ops"):
    return outbox.claim(conn, channel, owner, now, LEASE)


def names(conn, count, now=NOW):
    """The ids in the order in which they can be claimed, each settled before the next."""
    found = []
    for _ in range(count):
        row = take(conn, now=now)
        found.append(row and row.id)
        if row is not None:
            outbox.settle(conn, row, "me", DELIVERED)
    return found


def row(conn, delivery_id="d1"):
    return deliveries.get(conn, delivery_id)


# --- putting in ----------------------------------------------------------------------------------------------------


def test_what_is_put_in_comes_out_equal(conn):
    put(conn, sound := delivery(reason="first", provider_ref="x", last_error="y", attempts=2, uncertain=True))
    assert row(conn) == sound


def test_the_same_id_is_put_in_once(conn):
    put(conn, delivery())
    assert not outbox.insert(conn, delivery(state=DeliveryState.DEAD))
    assert row(conn).state is DeliveryState.QUEUED


def test_text_that_is_no_unicode_is_escaped_not_refused(conn):
    put(conn, delivery(of=alert(message="file \udcff"), last_error="bad \udcff", reason="odd \udcff"))
    assert row(conn).last_error == "bad \\udcff"
    assert row(conn).snapshot.message == "file \udcff"


# --- whose turn it is ----------------------------------------------------------------------------------------------


def test_critical_first_then_the_oldest(conn):
    put(
        conn,
        line("young", created_at=NOW - 1),
        line("info", created_at=NOW - 9, severity=Severity.INFO),
        line("old", created_at=NOW - 5),
        line("critical", created_at=NOW, severity=Severity.CRITICAL),
    )
    assert names(conn, 5) == ["critical", "info", "old", "young", None]


def test_rows_of_one_moment_go_in_the_order_of_their_insertion(conn):
    put(conn, line("z"), line("a"), line("m"))
    assert names(conn, 3) == ["z", "a", "m"]


def test_a_row_is_not_taken_before_it_is_due(conn):
    put(conn, delivery(next_at=NOW + 10))
    assert take(conn, now=NOW + 9) is None
    assert take(conn, now=NOW + 10).id == "d1"


@pytest.mark.parametrize("state", [state for state in DeliveryState if state is not DeliveryState.QUEUED])
def test_only_queued_rows_are_taken(conn, state):
    put(conn, delivery(state=state))
    expected = "d1" if state is DeliveryState.SENDING else None  # sending without a lease: its sender is gone
    assert getattr(take(conn), "id", None) == expected


def test_a_channel_takes_its_own_rows_only(conn):
    put(conn, delivery(channel="pager"))
    assert take(conn, channel="ops") is None
    assert take(conn, channel="pager").id == "d1"


def test_a_resolve_never_overtakes_its_fire(conn):
    fired, resolved = delivery("fired", next_at=NOW + 100), delivery("resolved", severity=Severity.CRITICAL)
    put(conn, fired)
    outbox.insert(conn, resolved)
    assert take(conn) is None  # the fired row backs off; the resolved one waits behind it
    assert names(conn, 2, now=NOW + 100) == ["fired", "resolved"]


def test_a_clock_that_was_set_back_does_not_turn_the_line_around(conn):
    put(conn, delivery("fired", created_at=NOW))
    outbox.insert(conn, delivery("resolved", created_at=NOW - 3_600_000, next_at=NOW - 3_600_000))
    assert names(conn, 2) == ["fired", "resolved"]


def test_the_line_holds_while_its_first_is_being_sent(conn):
    put(conn, delivery("fired"))
    outbox.insert(conn, delivery("resolved"))
    first = take(conn)
    assert take(conn, owner="other") is None
    outbox.settle(conn, first, "me", replace(RETRY, state=DeliveryState.DEAD))
    assert take(conn).id == "resolved"


def test_lines_of_other_channels_and_fingerprints_are_free(conn):
    put(conn, delivery("fired", next_at=NOW + 100), line("free"))
    outbox.insert(conn, delivery("elsewhere", channel="pager"))
    assert take(conn).id == "free"
    assert take(conn, channel="pager").id == "elsewhere"


def test_a_row_held_back_on_purpose_blocks_nobody(conn):
    put(conn, delivery("held", state=DeliveryState.DEFERRED))
    outbox.insert(conn, delivery("escalated"))
    assert take(conn).id == "escalated"


# --- leases --------------------------------------------------------------------------------------------------------


def test_a_claim_is_a_lease_and_an_attempt(conn):
    put(conn, delivery())
    taken = take(conn)
    assert (taken.state, taken.attempts, taken.uncertain) == (DeliveryState.SENDING, 1, False)
    assert row(conn) == taken
    (attempt,) = deliveries.attempts(conn, "d1")
    assert (attempt.n, attempt.started_at, attempt.ended_at, attempt.outcome) == (1, NOW, None, None)


def test_a_leased_row_is_left_alone_until_the_lease_ends(conn):
    put(conn, delivery())
    take(conn)
    assert take(conn, "other", NOW + LEASE - 1) is None
    again = take(conn, "other", NOW + LEASE)
    assert (again.attempts, again.uncertain) == (2, True)
    assert [attempt.outcome for attempt in deliveries.attempts(conn, "d1")] == ["unknown", None]


def test_a_lease_from_before_the_clock_was_set_back_does_not_hold_for_ever(conn):
    put(conn, delivery(created_at=0, next_at=0))
    take(conn)
    assert take(conn, "other", NOW - 24 * 3_600_000).uncertain


def test_two_owners_never_get_the_same_row(path, db):
    db.write(lambda conn: put(conn, *[line(f"d{number}") for number in range(40)]))
    taken = {"left": [], "right": []}
    start = threading.Barrier(2)

    def work(owner):
        with Database.open(path) as mine:
            start.wait()
            while (one := mine.write(lambda conn: outbox.claim(conn, "ops", owner, NOW, LEASE))) is not None:
                taken[owner].append(one.id)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken["left"] + taken["right"]) == sorted(f"d{number}" for number in range(40))


# --- settling ------------------------------------------------------------------------------------------------------


def test_a_delivered_row_keeps_the_receipt(conn):
    put(conn, delivery())
    assert outbox.settle(conn, take(conn), "me", DELIVERED)
    settled = row(conn)
    assert (settled.state, settled.delivered_at, settled.provider_ref) == (DeliveryState.DELIVERED, NOW + 50, "ts-1")
    (attempt,) = deliveries.attempts(conn, "d1")
    assert (attempt.ended_at, attempt.outcome, attempt.status) == (NOW + 50, "delivered", 200)


def test_a_row_to_be_tried_again_waits_for_its_time(conn):
    put(conn, delivery())
    assert outbox.settle(conn, take(conn), "me", RETRY)
    settled = row(conn)
    assert (settled.state, settled.reason, settled.last_error) == (DeliveryState.QUEUED, "server_error", "HTTP 503")
    assert take(conn, now=NOW + 4_999) is None
    assert take(conn, now=NOW + 5_000).attempts == 2


def test_what_an_attempt_found_out_is_not_forgotten_by_the_next(conn):
    put(conn, delivery())
    outbox.settle(conn, take(conn), "me", replace(RETRY, uncertain=True, plain=True))
    outbox.settle(conn, take(conn, now=NOW + 5_000), "me", DELIVERED)
    assert (row(conn).uncertain, row(conn).plain, row(conn).last_error) == (True, True, "HTTP 503")


def test_an_owner_that_lost_its_lease_settles_nothing(conn):
    put(conn, delivery())
    slow = take(conn, "slow")
    take(conn, "quick", NOW + LEASE)
    assert not outbox.settle(conn, slow, "slow", DELIVERED)
    assert row(conn).state is DeliveryState.SENDING
    assert deliveries.attempts(conn, "d1")[0].outcome == "unknown"


def test_an_earlier_claim_of_the_same_owner_settles_nothing(conn):
    put(conn, delivery())
    first = take(conn)
    second = take(conn, now=NOW + LEASE)
    assert not outbox.settle(conn, first, "me", RETRY)
    assert outbox.settle(conn, second, "me", DELIVERED)
    assert not outbox.settle(conn, second, "me", RETRY)


def test_recovery_requeues_what_was_on_its_way_as_uncertain(conn):
    put(conn, delivery("sent"), line("waiting"))
    interrupted = take(conn)
    assert outbox.recover(conn) == 1
    assert not outbox.settle(conn, interrupted, "me", DELIVERED)
    found = {name: row(conn, name) for name in ("sent", "waiting")}
    assert {name: (item.state, item.uncertain) for name, item in found.items()} == {
        "sent": (DeliveryState.QUEUED, True), "waiting": (DeliveryState.QUEUED, False),
    }
    assert deliveries.attempts(conn, "sent")[0].outcome == "unknown"
    assert take(conn).attempts == 2


# --- changing rows that are not on their way -----------------------------------------------------------------------


def test_a_waiting_row_can_be_superseded(conn):
    put(conn, delivery())
    assert outbox.update_state(conn, "d1", DeliveryState.SUPERSEDED, "superseded_by:d2", merged_into="d2")
    assert (row(conn).state, row(conn).reason) == (DeliveryState.SUPERSEDED, "superseded_by:d2")


def test_a_held_row_can_be_released(conn):
    put(conn, delivery(state=DeliveryState.DEFERRED, next_at=NOW + 9_000))
    assert outbox.update_state(conn, "d1", DeliveryState.QUEUED, None, next_at=NOW)
    assert take(conn).id == "d1"


@pytest.mark.parametrize(
    "state", [state for state in DeliveryState if state not in {DeliveryState.QUEUED, DeliveryState.DEFERRED}]
)
def test_rows_on_their_way_or_finished_are_left_alone(conn, state):
    put(conn, delivery(state=state))
    assert not outbox.update_state(conn, "d1", DeliveryState.SUPERSEDED, "too late")
    assert row(conn).state is state


# --- when to look again --------------------------------------------------------------------------------------------


def test_nothing_is_due_on_an_empty_channel(conn):
    assert outbox.next_due(conn, "ops") is None


def test_the_next_moment_is_that_of_the_first_row_in_line(conn):
    put(conn, delivery("fired", next_at=NOW + 100), line("later", next_at=NOW + 200))
    outbox.insert(conn, delivery("resolved", next_at=NOW))  # waits behind `fired`
    assert outbox.next_due(conn, "ops") == NOW + 100


def test_the_end_of_a_lease_is_a_moment_to_look(conn):
    put(conn, delivery())
    take(conn)
    assert outbox.next_due(conn, "ops") == NOW + LEASE


# --- rows that cannot be read --------------------------------------------------------------------------------------


def test_an_unreadable_row_ends_visibly_and_blocks_nobody(conn):
    put(conn, line("bad"), line("good"))
    conn.execute("UPDATE delivery SET snapshot = '{\"type\": \"of tomorrow\"}' WHERE id = 'bad'")
    assert take(conn).id == "good"
    found = conn.execute("SELECT state, reason FROM delivery WHERE id = 'bad'").fetchone()
    assert found == ("dead", outbox.UNDECODABLE)
    assert "delivery bad" in deliveries.attempts(conn, "bad")[0].error


# --- questions about rows ------------------------------------------------------------------------------------------


def test_rows_are_found_by_alert(conn):
    put(conn, delivery("d1"), delivery("d2", channel="pager", state=DeliveryState.DELIVERED), line("other"))
    assert [item.id for item in deliveries.of_alerts(conn, ["a1"])] == ["d1", "d2"]
    assert deliveries.of_alerts(conn, []) == []


def test_an_alert_is_unsettled_while_a_delivery_of_it_is_open(conn):
    put(conn, delivery(of=alert(status=Status.EVENT)))
    assert [item.id for item in alerts.unsettled(conn)] == ["a1"]
    outbox.settle(conn, take(conn), "me", DELIVERED)
    assert alerts.unsettled(conn) == []


def test_a_claim_needs_no_sort_and_no_scan_of_the_history(conn):
    plans = [
        conn.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        for sql, values in [
            (outbox._NEXT, {"channel": "ops", "now": NOW, "furthest": NOW}), (outbox._NEXT_DUE, ("ops",)),
        ]
    ]
    steps = [step for plan in plans for *_, step in plan]
    assert len(steps) == 6
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]
