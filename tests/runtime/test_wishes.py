"""What sources are asked to look at for the running jobs."""

from agent.core.job import Exit, Job, Process, Rank
from agent.core.ports import LogHeld, TreeReading, WantedLog
from agent.core.sightings import TreeSeen
from agent.runtime.wishes import Wishes, wishes_for, with_held

HERE = 1
SEEN = TreeSeen("boot", 20, 1, 0, "train.py", "started by torchrun")


def job(process=None, **changes):
    return Job("job-1", ("key",), "train.py", 0, process=process, **changes)


def process(**changes):
    return Process("boot", 20, 1, **({"pid_namespace": HERE} | changes))


def held(path, begin=0, **changes):
    return TreeReading(20, "train.py", True, "", SEEN, logs=(LogHeld("output", path, begin, uid=5, **changes),))


def test_a_job_known_by_its_log_alone_wants_nothing():
    assert wishes_for([job(log="/a")], HERE) == Wishes()


def test_logs_of_a_job_are_read_and_those_that_processes_led_to_are_found():
    found = wishes_for([job(process(), log="/a", log_offset=7, logs=("/b",), uid=5)], HERE)
    assert found.logs == {WantedLog("/a", 7, 5, found=True), WantedLog("/b", None, 5, found=True)}
    assert found.urgent_logs == frozenset()


def test_the_log_that_exec_named_is_not_merely_found():
    found = wishes_for([job(process(wrapper_pid=19), log="/a")], HERE)
    assert found.logs == {WantedLog("/a", 0, None)}


def test_once_a_process_has_ended_its_logs_are_urgent_and_it_leads_no_more():
    found = wishes_for([job(process(), log="/a", logs=("/b",), exit=Exit(1))], HERE)
    assert (found.urgent_logs, found.processes, found.leaders) == ({"/a", "/b"}, set(), set())


def test_the_ends_of_the_leader_and_of_living_ranks_are_wanted():
    ranks = (Rank(30, 2), Rank(31, 2, exit=Exit(1, 1)))
    found = wishes_for([job(process(), ranks=ranks)], HERE)
    assert found.processes == {("boot", 20, 1), ("boot", 30, 2)}
    assert found.leaders == {("boot", 20, 1)}


def test_processes_of_another_namespace_cannot_be_seen():
    found = wishes_for([job(process(pid_namespace=HERE + 1))], HERE)
    assert (found.processes, found.leaders) == (set(), set())


def test_what_processes_hold_open_is_read_with_its_writer():
    assert with_held([], [held("/a", None)]) == {WantedLog("/a", None, 5, SEEN, found=True)}
    assert with_held([], [held("/a", trouble="is a terminal"), held(None)]) == set()


def test_a_log_of_a_job_gets_its_writer_and_begins_where_the_user_said():
    assert with_held([WantedLog("/a", 7, 5)], [held("/a")]) == {WantedLog("/a", 7, 5, SEEN)}
    assert with_held([WantedLog("/a", 7, 5, found=True)], [held("/a")]) == {WantedLog("/a", 0, 5, SEEN, found=True)}


def test_of_several_writers_of_one_log_the_last_to_start_counts():
    later = TreeReading(40, "b.py", False, "", TreeSeen("boot", 40, 9, 0, "b.py", ""), logs=(LogHeld("x", "/a", None),))
    (wanted,) = with_held([], [held("/a"), later])
    assert wanted.writer == later.seen
