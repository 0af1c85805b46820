"""Sources in child processes: real children that answer, hang, die, and talk nonsense."""

import os
from pathlib import Path

import pytest

from agent.core.facts import ProcessEnded
from agent.core.ports import Unavailable
from agent.runtime.clock import SystemClock
from agent.runtime.isolated import ChildFailed, ChildHung, Isolated, Isolation
from tests.support.clock import ManualClock


class Parent:
    def __init__(self, factory="scripted", deadline=10.0):
        self.clock = ManualClock()
        self.wishes = {}
        isolation = Isolation("scripted", f"tests.runtime.child_sources:{factory}", {"a": 1}, 1.0, deadline)
        self.source = Isolated(isolation, SystemClock(), lambda: self.wishes)
        self.source.restore({})

    def look(self, do="", after=0.0):
        self.wishes = {"do": do}
        return self.source.read(self.clock.advance(after))


@pytest.fixture
def parents():
    made = []

    def make(*args, **options):
        made.append(Parent(*args, **options))
        return made[-1]

    yield make
    for parent in made:
        parent.source.close()


def looks(reading):
    return reading.samples[0].value


def test_a_reading_crosses_whole(parents):
    parent = parents()
    reading = parent.look()

    assert looks(reading) == 1
    assert reading.samples[0].labels["set"] == '{"a": 1}'
    assert reading.events[0].fact == ProcessEnded("boot", 7, 8, parent.clock.now().wall, 137, "SIGKILL")
    assert (reading.checkpoint, reading.again_in) == ({"count": 1}, 0.5)
    assert looks(parent.look()) == 2


def test_what_is_stored_is_passed_on(parents):
    parent = parents()
    parent.look()
    parent.source.committed()

    assert parent.look().samples[0].labels["stored"] == "1"


def test_a_source_that_is_not_available_stays(parents):
    parent = parents()
    parent.look()
    with pytest.raises(Unavailable, match="there is nothing"):
        parent.look("absent")

    assert looks(parent.look()) == 3


def test_a_child_that_hangs_is_replaced_and_says_where(parents):
    parent = parents(deadline=0.5)
    parent.look()
    with pytest.raises(ChildHung, match="has not answered for 0 s") as hung:
        parent.look("hang")

    assert hung.value.note == "/mnt/dead"
    assert parent.source.left == []
    assert looks(parent.look(after=2)) == 2


def test_a_child_that_dies_says_its_last_words_and_is_started_again_where_it_stood(parents):
    parent = parents()
    parent.look()
    with pytest.raises(ChildFailed, match=r"ended \(3\): no more"):
        parent.look("die")
    with pytest.raises(Unavailable, match="started again shortly"):
        parent.look()

    assert looks(parent.look(after=2)) == 2


def test_a_child_killed_from_outside_is_replaced(parents):
    parent = parents()
    parent.look()
    os.kill(parent.source._child.pid, 9)
    with pytest.raises(ChildFailed, match="ended"):
        parent.look()

    assert looks(parent.look(after=2)) == 2


@pytest.mark.parametrize(("do", "words"), [("garbage", "answered garbage"), ("half", "ended")])
def test_nonsense_is_refused(parents, do, words):
    parent = parents()
    with pytest.raises(ChildFailed, match=words):
        parent.look(do)


def test_what_a_library_prints_does_no_harm(parents):
    parent = parents()
    parent.look("print")
    parent.look("flood")

    assert looks(parent.look()) == 3


def test_a_bug_of_the_source_is_told_and_the_child_replaced(parents):
    parent = parents()
    with pytest.raises(ChildFailed, match="ValueError: a bug"):
        parent.look("fail")

    assert looks(parent.look(after=2)) == 1


def test_a_source_that_cannot_be_built_says_why(parents):
    with pytest.raises(ChildFailed, match=r"ended \(1\): RuntimeError: cannot be built"):
        parents("broken").look()


def test_pauses_between_starts_grow(parents):
    parent = parents()
    for pause in (1.0, 2.0, 4.0):
        with pytest.raises(ChildFailed):
            parent.look("die")
        with pytest.raises(Unavailable):
            parent.look(after=pause - 0.5)
        parent.clock.advance(0.6)


def test_a_child_holds_nothing_of_its_parent(parents, tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        parent = parents()
        parent.look()
        held = Path(f"/proc/{parent.source._child.pid}/fd").iterdir()
        targets = [str(link.readlink()) for link in held]

    assert not [target for target in targets if "lock" in target or "socket" in target]
    assert os.getsid(parent.source._child.pid) == parent.source._child.pid


def test_closing_ends_the_child(parents):
    parent = parents()
    parent.look()
    child = parent.source._child
    parent.source.close()

    assert child.gone
