"""What a person may change in the store."""

from functools import partial

import pytest

from agent.core.clock import DAY
from agent.core.facts import ResolveAsked
from agent.core.model import ChannelState, DeliveryState, Status
from agent.core.ports import Receipt
from agent.core.retry import UNTIL_CHANGED
from agent.runtime.steering import Refused, Steering
from agent.store import deliveries, events, ledger, silences
from agent.store.database import Database
from tests.support.clock import START, ManualClock
from tests.support.stored import SECOND, disk_alert, given_up, left_out, told, tried

AT = START - 60 * SECOND


@pytest.fixture
def db(tmp_path):
    with Database.open(tmp_path / "gpuwarden.db", create=True) as database:
        yield database


@pytest.fixture
def steering(db):
    return Steering(partial(Database.open, db.path), ManualClock())


def suspend(db, *channels):
    for name in channels:
        state = ChannelState(name, paused_until=UNTIL_CHANGED, reason="gone", failures=2, failing_since=AT)
        db.write(lambda conn, state=state: ledger.save_channel_state(conn, state))


def suspended(db):
    states = db.read(ledger.channel_states).values()
    return {state.channel for state in states if state.paused_until is not None}


def row(db, delivery_id):
    return db.read(lambda conn: deliveries.get(conn, delivery_id))


def test_retrying_everything_lifts_every_suspension(steering, db):
    waiting, dead = told(db, disk_alert(AT), AT), told(db, disk_alert(AT, mountpoint="/b"), AT, channel="pager")
    tried(db, "ops", AT, "connection refused")
    given_up(db, "pager", AT, "rejected")
    suspend(db, "ops", "pager")
    assert steering.retry(None) == 2
    assert suspended(db) == set()
    for delivery_id in (waiting.id, dead.id):
        found = row(db, delivery_id)
        assert (found.state, found.next_at, found.attempts) == (DeliveryState.QUEUED, START, 1)


def test_retrying_one_leaves_the_others_alone(steering, db):
    one, other = told(db, disk_alert(AT), AT), told(db, disk_alert(AT, mountpoint="/b"), AT, channel="pager")
    suspend(db, "ops", "pager")
    assert steering.retry([one.id]) == 1
    assert suspended(db) == {"pager"}
    assert (row(db, one.id).next_at, row(db, other.id).next_at) == (START, AT)


def test_what_was_delivered_is_not_sent_again(steering, db):
    sent = told(db, disk_alert(AT), AT)
    tried(db, "ops", AT, Receipt())
    assert steering.retry([sent.id]) == 0
    assert row(db, sent.id).state is DeliveryState.DELIVERED


@pytest.mark.parametrize("act", [Steering.retry, Steering.drop])
def test_an_unknown_delivery_stops_everything(steering, db, act):
    known = told(db, disk_alert(AT), AT)
    suspend(db, "ops")
    with pytest.raises(Refused, match="there is no delivery dlv_unknown"):
        act(steering, [known.id, "dlv_unknown"])
    assert (row(db, known.id).next_at, suspended(db)) == (AT, {"ops"})


def test_a_dropped_delivery_stays_in_the_history(steering, db):
    waiting = told(db, disk_alert(AT), AT)
    assert steering.drop([waiting.id]) == 1
    assert (row(db, waiting.id).state, row(db, waiting.id).reason) == (DeliveryState.SUPPRESSED, "dropped_by_user")


def test_resolving_hands_the_agent_an_event(steering, db):
    alert = disk_alert(AT)
    told(db, alert, AT)
    assert steering.resolve(alert.id[:8], "ada") == alert
    ((_, event),) = db.read(lambda conn: events.after(conn, 0, 10))
    assert (event.source, event.at, event.fact) == ("command", START, ResolveAsked(alert.id, "ada"))


def test_resolving_twice_is_one_event(steering, db):
    alert = disk_alert(AT)
    told(db, alert, AT)
    steering.resolve(alert.id, "ada")
    steering.resolve(alert.id, "grace")
    assert len(db.read(lambda conn: events.after(conn, 0, 10))) == 1


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.EVENT])
def test_what_is_over_cannot_be_resolved(steering, db, status):
    alert = disk_alert(AT, status=status, ends_at=AT)
    told(db, alert, AT)
    with pytest.raises(Refused, match="is over already"):
        steering.resolve(alert.id, "ada")
    assert db.read(lambda conn: events.after(conn, 0, 10)) == []


def test_an_unknown_alert_cannot_be_resolved(steering, db):
    with pytest.raises(Refused, match="there is no alert 'nothing'"):
        steering.resolve("nothing", "ada")


def test_a_silence_of_one_alert(steering, db):
    alert = disk_alert(AT)
    left_out(db, alert, AT, "not_taken")
    begun = steering.silence("s1", 7_200_000, author="ada", comment="known", alert_id=alert.id[:8])
    assert (begun.alert_id, begun.starts_at, begun.ends_at) == (alert.id, START, START + 7_200_000)
    assert db.read(silences.load) == [begun]


def test_a_silence_of_labels(steering, db):
    begun = steering.silence("s1", 1_000, author="ada", comment="", match={"node": "n*"})
    assert db.read(silences.load) == [begun]
    assert begun.match == {"node": "n*"}


@pytest.mark.parametrize("length", [0, 30 * DAY + 1])
def test_a_silence_lasts_at_most_30_days(steering, db, length):
    with pytest.raises(Refused, match="at most 30 days"):
        steering.silence("s1", length, author="ada", comment="", match={"a": "b"})
    assert db.read(silences.load) == []


def test_an_alert_must_exist_to_be_silenced(steering, db):
    with pytest.raises(Refused, match="there is no alert"):
        steering.silence("s1", 1_000, author="ada", comment="", alert_id="unknown")


def test_ending_a_silence(steering, db):
    steering.silence("s1", 1_000, author="ada", comment="", match={"a": "b"})
    steering.end_silence("s1")
    (ended,) = db.read(silences.load)
    assert ended.ends_at == START
    with pytest.raises(Refused, match="there is no silence 's1' that is not over"):
        steering.end_silence("s1")
