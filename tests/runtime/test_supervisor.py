import threading

import pytest

from agent.runtime.bell import Bell
from agent.runtime.board import Board
from agent.runtime.health import Health
from agent.runtime.supervisor import GRACE, Stage, Supervisor
from agent.runtime.worker import Next, Worker
from tests.runtime.doubles import PATIENCE
from tests.support.clock import ManualClock


class Part:
    """A part without a thread, whose life the test decides."""

    def __init__(self, name, diary):
        self.name, self.diary = name, diary
        self.alive = False
        self.ends = True
        self.starts = 0

    def start(self):
        self.diary.append(("start", self.name))
        self.starts += 1
        self.alive = True

    def stop(self):
        self.diary.append(("stop", self.name))

    def join(self, timeout):
        self.diary.append(("join", self.name, timeout))
        self.alive = self.alive and not self.ends
        return not self.alive


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def supervisor(board, clock):
    return Supervisor(board, clock)


@pytest.fixture
def diary():
    return []


@pytest.fixture
def parts(supervisor, diary):
    made = {}
    for stage, name in (
        (Stage.WEB, "web"), (Stage.SOURCES, "disk"), (Stage.SOURCES, "logs"), (Stage.NOTIFIERS, "ops"),
        (Stage.EVALUATOR, "evaluator"),
    ):  # fmt: skip
        made[name] = Part(name, diary)
        supervisor.add(stage, made[name])
    return made


def test_whoever_does_work_starts_before_whoever_brings_it(supervisor, parts, diary):
    supervisor.start()
    assert [name for _, name in diary] == ["web", "ops", "evaluator", "disk", "logs"]


def test_it_stops_stage_by_stage_and_asks_a_whole_stage_before_it_waits(supervisor, parts, diary):
    supervisor.start()
    diary.clear()
    assert supervisor.stop() == ()
    assert [entry[:2] for entry in diary] == [
        ("stop", "logs"), ("stop", "disk"), ("join", "logs"), ("join", "disk"),
        ("stop", "evaluator"), ("join", "evaluator"),
        ("stop", "ops"), ("join", "ops"),
        ("stop", "web"), ("join", "web"),
    ]  # fmt: skip


def test_what_is_being_sent_has_ten_seconds(supervisor, parts, diary):
    supervisor.start()
    supervisor.stop()
    assert ("join", "ops", 10.0) in diary


def test_a_stage_shares_its_grace(supervisor, parts, diary, clock):
    parts["logs"].join = lambda timeout: clock.advance(2) and True
    supervisor.start()
    supervisor.stop()
    assert ("join", "disk", GRACE[Stage.SOURCES] - 2) in diary


def test_what_does_not_stop_is_named_and_spares_nobody(supervisor, parts, diary):
    parts["disk"].ends = False
    supervisor.start()
    assert supervisor.stop() == ("disk",)
    assert not any(part.alive for name, part in parts.items() if name != "disk")


def test_a_failure_to_stop_one_part_spares_no_other(supervisor, parts, diary):
    def fail():
        raise RuntimeError("no end")

    parts["disk"].stop = fail
    supervisor.start()
    with pytest.raises(RuntimeError, match="no end"):
        supervisor.stop()
    assert {entry[1] for entry in diary if entry[0] == "join"} == parts.keys()


def test_a_part_that_is_known_to_be_stuck_is_not_waited_for(supervisor, parts, diary, board, clock):
    board.enrol(Health("disk", 10, 30).began(clock.now()))
    supervisor.start()
    clock.advance(31)
    supervisor.stop()
    assert ("join", "disk", 0.0) in diary


def test_a_stuck_part_is_marked_and_not_replaced_until_it_returns(supervisor, parts, board, clock, caplog):
    caplog.set_level("INFO")
    board.enrol(Health("disk", 10, 30))
    supervisor.start()
    board.began("disk", clock.now())
    supervisor.tick(clock.advance(30))
    assert supervisor.stuck == frozenset()
    for _ in range(3):
        supervisor.tick(clock.advance(1))
    assert supervisor.stuck == {"disk"}
    assert parts["disk"].starts == 1
    board.ended("disk", clock.now())
    supervisor.tick(clock.now())
    assert supervisor.stuck == frozenset()
    assert [record.getMessage() for record in caplog.records] == ["a part is stuck", "a stuck part goes on"]


def test_a_dead_part_is_started_again_later_each_time(supervisor, parts, clock):
    part = parts["disk"]
    supervisor.start()
    pauses = []
    for _ in range(4):
        part.alive = False
        died, starts = clock.now().monotonic, part.starts
        supervisor.tick(clock.now())
        while part.starts == starts:
            supervisor.tick(clock.advance(0.5))
        pauses.append(clock.now().monotonic - died)
    assert pauses == [1, 2, 4, 8]


def test_deaths_are_forgotten_after_a_minute_of_life(supervisor, parts, clock):
    part = parts["disk"]
    supervisor.start()
    for _ in range(2):
        part.alive = False
        supervisor.tick(clock.now())
        supervisor.tick(clock.advance(1))
        assert part.alive
        supervisor.tick(clock.advance(60))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_replaced_by_another(supervisor, board, clock):
    """Only what is no Exception ends a worker's thread."""
    turns = []
    again = threading.Event()

    def step(now):
        turns.append(threading.current_thread())
        if len(turns) == 1:
            raise SystemExit
        again.set()
        return Next()

    worker = Worker("w", step, bell=Bell(), clock=clock, board=board, interval=10)
    supervisor.add(Stage.SOURCES, worker)
    supervisor.start()
    assert worker.join(PATIENCE)
    supervisor.tick(clock.now())
    supervisor.tick(clock.advance(1))
    assert again.wait(PATIENCE)
    assert turns[0] is not turns[1]
    assert supervisor.stop() == ()


def test_nothing_is_started_again_while_stopping(supervisor, parts, clock):
    supervisor.start()
    supervisor.stop()
    supervisor.tick(clock.now())
    supervisor.tick(clock.advance(120))
    assert {part.starts for part in parts.values()} == {1}


def test_a_part_added_later_starts_at_once(supervisor, parts, diary):
    supervisor.start()
    late = Part("scratch", diary)
    supervisor.add(Stage.SOURCES, late)
    assert late.alive


def test_a_removed_part_is_stopped_and_forgotten(supervisor, parts, board, clock):
    board.enrol(Health("disk", 10, 30))
    supervisor.start()
    assert supervisor.remove("disk")
    assert not parts["disk"].alive
    assert board.health("disk") is None
    assert supervisor.remove("disk")


def test_two_parts_of_one_name_are_a_fault(supervisor, parts):
    with pytest.raises(ValueError, match="'disk'"):
        supervisor.add(Stage.SOURCES, Part("disk", []))
