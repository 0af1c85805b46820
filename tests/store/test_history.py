import random

import pytest
from store_values import NOW, alert, decision, delivery, event

from agent.core.clock import DAY
from agent.core.job import Job, JobState
from agent.core.model import AlertType, DeliveryState, Ledger, Silence, Status
from agent.store import alerts, decisions, deliveries, events, history, jobs, ledger, outbox, retention, silences


def tell(conn, alert_id, *channels, state=DeliveryState.DELIVERED, **changes):
    """Store an ended alert with one finished delivery on each channel."""
    one = alert(alert_id, status=Status.RESOLVED, **changes)
    alerts.save(conn, one)
    for channel in channels:
        outbox.insert(conn, delivery(f"{alert_id}-{channel}", of=one, channel=channel, state=state))
    return one


def ids(found):
    return [one.id for one, _ in found]


@pytest.fixture
def told(conn):
    """Four alerts, one a second, the newest last."""
    tell(conn, "a1", "ops", starts_at=NOW, type=AlertType.GPU_OOM, job_id="j1")
    tell(conn, "a2", "ops", "mail", starts_at=NOW + 1_000, job_id="j2")
    tell(conn, "a3", starts_at=NOW + 2_000, type=AlertType.GPU_OOM, job_id="j2")
    tell(conn, "a4", "mail", starts_at=NOW + 3_000, type=AlertType.GPU_OOM, job_id="j2")
    return conn


# --- pages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["a4", "a3", "a2", "a1"]),
        ({"limit": 2}, ["a4", "a3"]),
        ({"since": NOW + 1_000}, ["a4", "a3", "a2"]),
        ({"until": NOW + 1_000}, ["a1"]),
        ({"type": AlertType.GPU_OOM}, ["a4", "a3", "a1"]),
        ({"job": "j2"}, ["a4", "a3", "a2"]),
        ({"channel": "ops"}, ["a2", "a1"]),
        ({"channel": "mail", "limit": 1}, ["a4"]),
        ({"channel": "mail", "until": NOW + 3_000}, ["a2"]),
        ({"channel": "ops", "since": NOW + 500}, ["a2"]),
        ({"type": AlertType.GPU_OOM, "job": "j2", "channel": "mail"}, ["a4"]),
        ({"type": AlertType.JOB_FAILED}, []),
    ],
)
def test_a_page_shows_the_newest_that_fit(told, filters, expected):
    assert ids(history.page(told, **{"since": 0, "limit": 9, **filters})) == expected


def test_a_page_shows_all_deliveries_of_each_alert(told):
    found = {one.id: [row.channel for row in rows] for one, rows in history.page(told, since=0, limit=9, channel="ops")}
    assert found == {"a2": ["ops", "mail"], "a1": ["ops"]}


def test_many_deliveries_of_one_alert_take_one_place_in_a_page(conn):
    tell(conn, "a1", "ops", starts_at=NOW)
    repeated = tell(conn, "a2", "ops", starts_at=NOW + 1)
    for number in range(20):
        outbox.insert(conn, delivery(f"again-{number}", of=repeated, state=DeliveryState.DELIVERED))
    assert ids(history.page(conn, since=0, channel="ops", limit=2)) == ["a2", "a1"]


@pytest.mark.parametrize("filters", [{}, {"type": AlertType.GPU_OOM}, {"job": "j1"}, {"channel": "ops"}])
def test_no_single_filter_scans_or_sorts_all_alerts(told, filters):
    statements = []
    told.set_trace_callback(statements.append)
    history.page(told, since=0, limit=9, **filters)
    told.set_trace_callback(None)
    select = next(statement for statement in statements if statement.lstrip().startswith("SELECT id, body FROM alert"))
    steps = [step for *_, step in told.execute(f"EXPLAIN QUERY PLAN {select}")]
    assert not [step for step in steps if step.startswith("SCAN alert")]
    assert any("INDEX" in step for step in steps)


# --- retention -----------------------------------------------------------------------------------------------------


def keep(conn, now=NOW + 100 * DAY, days=90, max_rows=1_000, batch=500):
    return retention.retain(conn, now, days * DAY, max_rows, batch)


def count(conn, table):
    return conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_an_old_alert_goes_with_all_that_hangs_on_it(conn):
    tell(conn, "a1", "ops", ends_at=NOW + 5)
    decisions.record(conn, [decision()])
    ledger.save(conn, Ledger("fp-a1", "ops"))
    assert keep(conn) == 1
    assert [count(conn, table) for table in ("alert", "delivery", "decision", "channel_ledger")] == [0, 0, 0, 0]
    assert keep(conn) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.FIRING, "starts_at": 0},
        {"status": Status.RESOLVED, "starts_at": 0, "ends_at": NOW + 50 * DAY},
        {"status": Status.EVENT, "starts_at": NOW + 50 * DAY},
    ],
)
def test_what_is_open_or_young_stays(conn, changes):
    alerts.save(conn, alert(**changes))
    assert keep(conn) == 0
    assert alerts.get(conn, "a1") is not None


@pytest.mark.parametrize("state", [DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED])
def test_an_alert_that_is_still_to_be_told_stays(conn, state):
    tell(conn, "a1", "ops", state=state)
    assert keep(conn) == 0
    assert keep(conn, max_rows=0) == 0


def test_open_episodes_survive_every_order_of_events(conn):
    dice = random.Random(7)
    for number in range(300):
        status = dice.choice(list(Status))
        one = alert(f"a{number}", status=status, starts_at=dice.randrange(NOW), ends_at=None)
        alerts.save(conn, one)
        if dice.random() < 0.5:
            outbox.insert(conn, delivery(f"d{number}", of=one, state=dice.choice(list(DeliveryState))))
    firing, unsettled = ids_of(alerts.firing(conn)), ids_of(alerts.unsettled(conn))
    while keep(conn, max_rows=10, batch=17):
        pass
    assert ids_of(alerts.firing(conn)) == firing
    assert ids_of(alerts.unsettled(conn)) == unsettled
    assert count(conn, "alert") == len({*firing, *unsettled})


def ids_of(found):
    return [one.id for one in found]


def test_beyond_the_limit_the_oldest_go_first(conn):
    for number in range(5):
        tell(conn, f"a{number}", starts_at=NOW + number)
    assert keep(conn, now=NOW + 10, max_rows=3) == 2
    assert ids(history.page(conn, since=0, limit=9)) == ["a4", "a3", "a2"]


def test_one_round_deletes_no_more_than_a_batch(conn):
    for number in range(5):
        tell(conn, f"a{number}", starts_at=NOW + number)
    assert [keep(conn, batch=2) for _ in range(4)] == [2, 2, 1, 0]


def test_the_ledger_stays_while_an_alert_of_its_fingerprint_does(conn):
    tell(conn, "a1", fingerprint="fp")
    alerts.save(conn, alert("a2", fingerprint="fp", starts_at=NOW + 99 * DAY))
    ledger.save(conn, Ledger("fp", "ops"))
    assert keep(conn) == 1
    assert list(ledger.load(conn, ["fp"])) == [("fp", "ops")]


def test_only_events_that_were_dealt_with_go(conn):
    events.append(conn, [event("e1"), event("e2"), event("e3"), event("young", at=NOW + 99 * DAY)])
    events.advance(conn, 2)
    assert keep(conn) == 2
    assert [seq for seq, _ in events.after(conn, 0, 9)] == [3, 4]
    events.advance(conn, 4)
    assert keep(conn, max_rows=1) == 1
    assert [seq for seq, _ in events.after(conn, 0, 9)] == [4]


def test_numbers_of_events_are_never_used_again(conn):
    events.append(conn, [event("e1"), event("e2")])
    events.advance(conn, 2)
    keep(conn)
    events.append(conn, [event("e3")])
    assert [seq for seq, _ in events.after(conn, 2, 9)] == [3]


def test_ended_jobs_go_with_their_curves_and_running_ones_stay(conn):
    jobs.save(conn, Job("old", ("k1",), "x", NOW, state=JobState.FAILED, ended_at=NOW + 1))
    jobs.save_curve(conn, "old", [])
    jobs.save(conn, Job("running", ("k2",), "x", 0))
    assert keep(conn, max_rows=0) == 1
    assert (jobs.get(conn, "old"), jobs.get(conn, "running").id) == (None, "running")
    assert count(conn, "job_curve") == 0


def test_a_silence_is_listed_until_it_is_old(conn):
    silences.add(conn, Silence("old", NOW, NOW + 1, "ada", ""))
    silences.add(conn, Silence("young", NOW, NOW + 50 * DAY, "ada", ""))
    assert keep(conn) == 1
    assert [item.id for item in silences.load(conn)] == ["young"]


def test_freed_pages_go_back_to_the_disk_a_few_at_a_time(db, conn):
    for number in range(300):
        tell(conn, f"a{number}", "ops", message="x" * 1_000)
    while db.write(keep):
        pass
    (free,) = conn.execute("PRAGMA freelist_count").fetchone()
    assert free > 20
    assert db.write(lambda inside: retention.vacuum(inside, 8)) == 8
    assert db.write(lambda inside: retention.vacuum(inside, 100_000)) == free - 8
    assert db.quick_check() is None
    assert deliveries.of_alerts(conn, ["a1"]) == []
