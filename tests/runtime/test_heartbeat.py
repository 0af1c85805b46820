"""Signs of life: when they are given, and what they say."""

from dataclasses import replace

import pytest

from agent import lifeline
from agent.app import schema
from agent.config.load import load
from agent.core.clock import HOUR, Instant
from agent.core.model import ChannelState
from agent.core.ports import SendError
from agent.core.vital_signs import troubles
from agent.runtime.board import Board
from agent.runtime.clock import SystemClock
from agent.runtime.health import Health
from agent.runtime.heartbeat import Heartbeat
from agent.runtime.metrics import Metrics
from agent.runtime.metrics_scrape import Snapshot
from agent.store.database import Database
from tests.support.clock import START
from tests.support.standin import Answer, StandIn

FAILING = ChannelState("ops", failing_since=START)


@pytest.mark.parametrize(
    ("silent_for", "store", "stuck", "channels", "found"),
    [
        (1.0, None, [], [FAILING], []),
        (None, None, [], [], ["alerts are not being decided"]),
        (31.0, None, [], [], ["alerts are not being decided"]),
        (1.0, "full", [], [], ["the store refuses: full"]),
        (1.0, None, ["gpu"], [], ["source gpu is stuck"]),
        (1.0, None, [], [replace(FAILING, failing_since=START - HOUR)], ["channel ops has failed for 1h 00m"]),
    ],
)
def test_what_keeps_it_from_saying_that_all_is_well(silent_for, store, stuck, channels, found):
    assert list(troubles(silent_for, store, stuck, channels, START + 1)) == found


@pytest.fixture
def beat(tmp_path):
    """A heartbeat on a real store, and the receiver that hears it."""
    with StandIn(Answer(200, body=b"OK")) as receiver, Database.open(tmp_path / "g.db", create=True):
        config = tmp_path / "config.toml"
        config.write_text(f'[heartbeat]\nurl = "{receiver.url}/ping/uuid?x=1"\ninterval = "1m"')
        loaded = load(config=config, state_dir=tmp_path, environ={}, schema=schema())
        board = Board()
        metrics = Metrics("test", board, Snapshot)
        ping = lifeline.ping(loaded, SystemClock())
        beat = Heartbeat(ping, 60.0, lambda: Database.open(tmp_path / "g.db"), board, metrics)
        yield beat, board, metrics, receiver


def test_it_is_heard_while_all_is_well_and_hears_of_trouble(beat):
    heartbeat, board, metrics, receiver = beat
    assert heartbeat.step(Instant(START, 0.0)).after == 30.0
    board.beat(Instant(START, 29.0))
    assert heartbeat.step(Instant(START, 30.0)).after == 60.0
    board.enrol(Health("gpu", 10, 30, source=True))
    board.began("gpu", Instant(START, 30.0))
    board.beat(Instant(START, 90.0))
    heartbeat.step(Instant(START + 60_000, 90.0))
    assert [request.path for request in receiver.wait_for(2)] == ["/ping/uuid?x=1", "/ping/uuid/fail?x=1"]
    assert b"heartbeat_last_success_timestamp_seconds 1.79e+09" in metrics.page()[0]


def test_a_refusal_is_no_success_and_shows_no_url(beat, caplog):
    heartbeat, board, metrics, receiver = beat
    receiver.answer_with(Answer(404))
    heartbeat.step(Instant(START, 0.0))
    board.beat(Instant(START, 30.0))
    heartbeat.step(Instant(START, 30.0))
    assert b"heartbeat_last_success_timestamp_seconds 0.0" in metrics.page()[0]
    assert "uuid" not in "".join(str(getattr(record, "fields", "")) for record in caplog.records)
    with pytest.raises(SendError):
        heartbeat._ping(True)


def test_without_a_url_there_is_no_heartbeat(tmp_path):
    loaded = load(config=None, state_dir=tmp_path, environ={"HOME": str(tmp_path)}, schema=schema())
    assert lifeline.ping(loaded, SystemClock()) is None
