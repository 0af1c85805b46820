import sqlite3
from contextlib import contextmanager

import pytest

from agent.core.model import Sample
from agent.core.ports import Reading, Unavailable
from agent.runtime.board import UNSTORED_LIMIT, Board
from agent.runtime.health import Health
from agent.runtime.source_worker import STORE_RETRY, SourceStep
from agent.runtime.wishes import Wishes
from agent.store import events as stored
from agent.store.database import Database
from agent.store.errors import StoreError, StoreFull
from tests.runtime.doubles import ListedSource, event, log_reading
from tests.support.clock import ManualClock


class Refusing:
    """The real database, unless told to refuse."""

    def __init__(self, path):
        self._path = path
        self.error = None

    def write(self, body):
        if self.error:
            raise self.error
        with Database.open(self._path) as database:
            return database.write(body)

    def read(self, body):
        with Database.open(self._path) as database:
            return database.read(body)

    def close(self):
        """Nothing is held open: a source may ask for the database again."""


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def board():
    made = Board()
    made.enrol(Health("listed", 10.0, 30.0, source=True))
    return made


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gpuwarden.db"
    Database.open(path, create=True).close()
    return path


@pytest.fixture
def database(path):
    made = Refusing(path)
    yield made
    made.close()


@pytest.fixture
def rings():
    return []


@pytest.fixture
def step_of(database, board, clock, rings):
    def make(source, **options):
        return SourceStep(
            source, options.pop("open_database", lambda: database), board, clock,
            on_events=lambda: rings.append(clock.now()), observe=options.pop("observe", lambda seconds: None),
            **options,
        )

    return make


@contextmanager
def looking_at(path):
    with Database.open(path, readonly=True) as reader:
        yield reader


def stored_ids(path):
    with looking_at(path) as reader:
        return [item.id for _, item in reader.read(lambda conn: stored.after(conn, 0, 10_000))]


def checkpoint(path):
    with looking_at(path) as reader:
        return reader.read(lambda conn: stored.load_checkpoint(conn, "listed"))


def test_events_and_the_checkpoint_are_committed_at_once_and_the_evaluator_is_woken(step_of, clock, path, rings):
    step_of(ListedSource(Reading(events=(event(),), checkpoint={"offset": 7})))(clock.now())
    assert stored_ids(path) == [event().id]
    assert checkpoint(path) == {"offset": 7}
    assert len(rings) == 1


def test_events_and_the_checkpoint_stand_or_fall_together(step_of, clock, path, database):
    class CutOff:
        """Dies between the last statement and the commit."""

        read, close = database.read, database.close

        def write(self, body):
            def cut(conn):
                body(conn)
                raise sqlite3.OperationalError("cut off")

            return database.write(cut)

    step = step_of(ListedSource(Reading(events=(event(),), checkpoint={"offset": 7})), open_database=CutOff)
    with pytest.raises(sqlite3.OperationalError):
        step(clock.now())
    assert (stored_ids(path), checkpoint(path)) == ([], {})


def test_a_source_that_consumes_is_told_once_its_events_are_stored(step_of, clock, path, database):
    class Spool(ListedSource):
        def committed(self):
            told.append(stored_ids(path))

    told = []
    step = step_of(Spool(Reading(events=(event(),)), Reading()))
    database.error = StoreFull("no space is left")
    step(clock.now())
    assert told == []
    database.error = None
    step(clock.advance(STORE_RETRY))
    step(clock.advance(10))
    assert told == [[event().id]]


def test_a_restart_continues_where_the_last_commit_was(step_of, clock, path):
    first = ListedSource(Reading(events=(event(),), checkpoint={"offset": 7, "gone": 1}), Reading(checkpoint={
        "offset": 9, "gone": None,
    }))  # fmt: skip
    step = step_of(first)
    step(clock.now())
    step(clock.advance(10))
    step.close(clock.now())
    assert first.closed
    second = ListedSource()
    again = step_of(second, open_database=lambda: Database.open(path))
    again(clock.now())
    again.close(clock.now())
    assert (first.restored, second.restored) == ({}, {"offset": 9})


FIRST = Reading(checkpoint={"began": 0})


def test_the_very_first_checkpoint_is_committed_at_once(step_of, clock, path):
    step_of(ListedSource(FIRST))(clock.now())
    assert checkpoint(path) == {"began": 0}


def test_checkpoints_without_events_go_together_every_fifteen_seconds(step_of, clock, path, rings):
    step = step_of(ListedSource(FIRST, Reading(checkpoint={"a": 1}), Reading(checkpoint={"b": 2}), Reading()))
    step(clock.now())
    step(clock.now())
    step(clock.advance(10))
    assert checkpoint(path) == {"began": 0}
    step(clock.advance(5))
    assert checkpoint(path) == {"began": 0, "a": 1, "b": 2}
    assert rings == []


def test_a_waiting_checkpoint_brings_the_next_step_when_its_commit_is_due(step_of, clock, path):
    source = ListedSource(FIRST, Reading(checkpoint={"a": 1}))
    source.interval = 60.0
    step = step_of(source)
    step(clock.now())
    assert step(clock.advance(60)).after == 15


def test_the_end_commits_what_waits(step_of, clock, path, database):
    step = step_of(ListedSource(Reading(checkpoint={"a": 1})), open_database=lambda: Database.open(path))
    step(clock.now())
    step.close(clock.now())
    assert checkpoint(path) == {"a": 1}


def test_samples_and_logs_are_published(step_of, clock, board):
    sample = Sample("log_files", 1)
    step_of(ListedSource(Reading(samples=(sample,), logs=(log_reading(),))))(clock.now())
    assert board.samples_of("listed") == (sample,)
    assert board.log("/logs/run.log").drained_at == clock.now().monotonic


def test_what_the_store_refuses_is_kept_shown_and_committed_later(step_of, clock, path, database, board, rings):
    source = ListedSource(
        Reading(events=(event("a"),), checkpoint={"offset": 1}),
        Reading(events=(event("b"),), checkpoint={"offset": 2}),
        Reading(),
    )
    step = step_of(source)
    database.error = StoreFull("no space is left")
    following = step(clock.now())
    assert following.after == STORE_RETRY
    assert board.store_trouble().full
    step(clock.advance(STORE_RETRY))
    assert [item.id for item in board.unstored()] == [event("a").id, event("b").id]
    assert len(rings) == 2, "the evaluator is woken to look at what is not stored"
    assert stored_ids(path) == []

    database.error = None
    step(clock.advance(STORE_RETRY))
    assert stored_ids(path) == [event("a").id, event("b").id]
    assert checkpoint(path) == {"offset": 2}
    assert (board.unstored(), board.store_trouble()) == ((), None)


def test_a_refusal_is_logged_once(step_of, clock, database, caplog):
    step = step_of(ListedSource(Reading(events=(event(),))))
    database.error = StoreError("locked")
    for _ in range(5):
        step(clock.advance(STORE_RETRY))
    assert [record.getMessage() for record in caplog.records] == ["the store refuses"]


def test_a_source_is_left_alone_while_too_many_events_wait(step_of, clock, path, database):
    flood = Reading(events=tuple(event(str(n)) for n in range(UNSTORED_LIMIT)), watch=(99,))
    source = ListedSource(flood, Reading(events=(event("next"),)), Reading())
    step = step_of(source)
    database.error = StoreFull("no space is left")
    step(clock.now())
    following = step(clock.advance(STORE_RETRY))
    assert len(source.looks) == 1
    assert following.watch == (), "a descriptor that nobody reads would wake the source for ever"
    database.error = None
    step(clock.advance(STORE_RETRY))
    assert len(stored_ids(path)) == UNSTORED_LIMIT + 1


def test_events_left_at_the_end_are_told(step_of, clock, database, caplog):
    step = step_of(ListedSource(Reading(events=(event(),))))
    database.error = StoreFull("no space is left")
    step(clock.now())
    step.close(clock.now())
    (record,) = [record for record in caplog.records if record.getMessage() == "events were left unstored"]
    assert record.fields == {"source": "listed", "events": 1}


def test_a_source_does_not_look_before_it_knows_where_it_stood(step_of, clock, path, board):
    opened = []

    def open_database():
        opened.append(None)
        if len(opened) == 1:
            raise StoreError("the database is locked")
        return Database.open(path)

    source = ListedSource()
    step = step_of(source, open_database=open_database)
    assert step(clock.now()).after == STORE_RETRY
    assert source.looks == []
    assert board.store_trouble().text == "the database is locked"
    step(clock.advance(STORE_RETRY))
    assert len(source.looks) == 1
    assert board.store_trouble() is None
    step.close(clock.now())


def test_what_is_not_available_is_a_state_and_no_error(step_of, clock, board, caplog):
    caplog.set_level("INFO")
    gone = Unavailable("no driver is loaded; install one")
    sample = Sample("log_files", 1)
    step = step_of(ListedSource(Reading(samples=(sample,)), gone, gone, Reading(samples=(sample,))))
    step(clock.now())
    for _ in range(2):
        following = step(clock.advance(10))
    assert board.health("listed").unavailable == "no driver is loaded; install one"
    assert board.samples() == ()
    assert following.after == 10
    step(clock.advance(10))
    assert board.health("listed").unavailable is None
    assert [record.getMessage() for record in caplog.records] == [
        "a source is not available", "a source is available again",
    ]  # fmt: skip


def test_what_was_never_there_is_left_to_the_first_lines_of_run(step_of, clock, board, caplog):
    caplog.set_level("INFO")
    step_of(ListedSource(Unavailable("no driver is loaded")))(clock.now())
    assert board.health("listed").unavailable == "no driver is loaded"
    assert caplog.records == []


def test_any_other_error_is_the_workers_business(step_of, clock):
    durations = []
    step = step_of(ListedSource(ZeroDivisionError()), observe=durations.append)
    with pytest.raises(ZeroDivisionError):
        step(clock.now())
    assert durations == [0.0]


def test_the_length_of_each_look_is_observed(step_of, clock):
    durations = []
    step_of(ListedSource(Reading(), clock=clock, takes=0.25), observe=durations.append)(clock.now())
    assert durations == [0.25]


def test_the_next_look_is_planned_from_the_last_plan(step_of, clock):
    step = step_of(ListedSource(Reading(), clock=clock, takes=3.0))
    assert step(clock.now()).after == 7
    clock.advance(7)
    assert step(clock.now()).after == 7


def test_a_late_look_is_followed_at_once_but_only_once(step_of, clock):
    source = ListedSource(Reading(), clock=clock, takes=35.0)
    step = step_of(source)
    assert step(clock.now()).after == 0
    source.takes = 0.0
    assert step(clock.now()).after == 10


def test_a_look_in_between_does_not_move_the_plan(step_of, clock):
    step = step_of(ListedSource())
    step(clock.now())
    assert step(clock.advance(4)).after == 6


@pytest.mark.parametrize(("again_in", "after"), [(0.0, 0), (0.2, 0.2), (60.0, 10)])
def test_a_source_may_ask_for_an_earlier_look(step_of, clock, again_in, after):
    assert step_of(ListedSource(Reading(again_in=again_in, watch=(5,))))(clock.now()).after == after


def test_watched_descriptors_are_passed_on(step_of, clock):
    assert step_of(ListedSource(Reading(watch=(5, 6))))(clock.now()).watch == (5, 6)


@pytest.mark.parametrize(("offset", "woken"), [(100, 1), (99, 0)])
def test_the_evaluator_is_woken_when_a_log_it_waits_for_is_drained(step_of, clock, board, rings, offset, woken):
    board.wish(Wishes(urgent_logs=frozenset({"/logs/run.log"})))
    step_of(ListedSource(Reading(logs=(log_reading(offset=offset),))))(clock.now())
    assert len(rings) == woken
