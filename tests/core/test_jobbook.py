"""Which job a fact is about: one run is one job, in whatever order the evidence arrives."""

from dataclasses import replace

import pytest

from agent.core import processes
from agent.core.facts import FindingKind, LogFinding, ProcessEnded, ProcessStarted, Progress, Role, TrainingSeen
from agent.core.job import JobState
from agent.core.job_logs import LogState
from agent.core.jobbook import JobBook
from agent.core.jobs import Turn
from agent.core.ports import LogReading
from agent.core.sightings import RankSeen, TreeSeen
from tests.core.values import FILE, LOG, NOW, event, finding

BOOT, SPACE = "boot", 4026531836
OTHER_LOG = "/logs/rank1.log"


def tree(pid=20, *, ranks=(), logs=(LOG,), **changes):
    seen = tuple(RankSeen(number, 1, place) for place, number in enumerate(ranks))
    values = {"started_at": NOW - 5_000, "name": "train.py", "because": "started by torchrun", "pid_namespace": SPACE}
    return TreeSeen(BOOT, pid, 1, logs=logs, ranks=seen, **(values | changes))


def started(pid=20, **changes):
    values = {"started_at": NOW - 5_000, "name": "mine", "command": "train.py", "wrapper_pid": 5}
    return ProcessStarted(BOOT, pid, 1, **(values | {"pid_namespace": SPACE} | changes))


def ended(pid=20, code=1, at=NOW, **changes):
    return ProcessEnded(BOOT, pid, 1, at, code, **changes)


def training(path=LOG, file=FILE, step=1, **changes):
    return TrainingSeen(path, file, 0, Progress(step=step, total=100), **changes)


class Book:
    """A book that remembers what it said."""

    def __init__(self, *facts, ended=()):
        self.book = JobBook((), ended=ended)
        self.turns = []
        self.jobs = {}
        self.tell(*facts)

    def tell(self, *facts, at=NOW):
        for fact in facts:
            self._note(self.book.fold(event(fact, at)))
        return self

    def conclude(self, now=NOW, **logs):
        self._note(self.book.conclude(now, logs))
        return self

    def _note(self, turned):
        self.turns += [turn for _, turn in turned if turn is not None]
        self.jobs |= {job.id: job for job, _ in turned}

    @property
    def job(self):
        (job,) = self.book.running.values()
        return job


def state(path=LOG, file=FILE, progress=None, at=NOW, read_at=NOW, **changes):
    return LogState(LogReading(path, file, 10, 10, progress, at, **changes), read_at)


def test_processes_that_are_taken_begin_a_job():
    book = Book(tree(ranks=(30, 31), logs=(LOG, OTHER_LOG), model="m-7b", framework="deepspeed", gpus=("0",), uid=7))
    job = book.job
    assert book.turns == [Turn.STARTED]
    assert (job.name, job.model, job.framework, job.gpus, job.uid) == ("train.py", "m-7b", "deepspeed", ("0",), 7)
    assert (job.log, job.logs, job.started_at) == (LOG, (OTHER_LOG,), NOW - 5_000)
    assert [rank.pid for rank in job.ranks] == [30, 31]


def test_the_same_processes_seen_again_are_no_news():
    book = Book(tree(ranks=(30,)), tree(ranks=(30,)))
    before = book.job
    assert book.book.fold(event(tree(ranks=(30,)))) == []
    assert (book.job, book.turns) == (before, [Turn.STARTED])


def test_a_launcher_seen_before_its_ranks_and_logs():
    book = Book(tree(logs=()), tree(ranks=(30, 31), logs=(OTHER_LOG, LOG)))
    assert [rank.pid for rank in book.job.ranks] == [30, 31]
    assert (book.job.log, book.job.logs) == (OTHER_LOG, (LOG,))
    assert book.turns == [Turn.STARTED]


@pytest.mark.parametrize("turn", [False, True])
def test_what_exec_started_and_the_same_process_seen(turn):
    facts = (started(name="mine", log=LOG, log_offset=7), tree(logs=(LOG, OTHER_LOG)))
    book = Book(*(reversed(facts) if turn else facts))
    assert (book.job.name, book.job.log, book.job.log_offset, book.turns) == ("mine", LOG, 7, [Turn.STARTED])
    assert (book.job.process.pid, book.job.process.wrapper_pid) == (20, 5)
    assert book.job.logs == (OTHER_LOG,)


@pytest.mark.parametrize("turn", [False, True])
def test_a_launcher_below_what_exec_started(turn):
    facts = (started(pid=10), tree(pid=20, ranks=(30,), within=((10, 1), (5, 1))))
    book = Book(*(reversed(facts) if turn else facts))
    assert (book.job.name, book.job.process.pid, book.turns) == ("mine", 10, [Turn.STARTED])
    assert [rank.pid for rank in book.job.ranks] == [30]
    book.tell(ended(20, code=1))
    assert book.job.exit is None
    book.tell(ended(10, code=3, reported=True, uid=0))
    assert book.job.exit.code == 3


@pytest.mark.parametrize("turn", [False, True])
def test_exec_in_a_pid_namespace_of_its_own(turn):
    facts = (started(pid=7, pid_namespace=99), tree(pid=20, inner=(99, 7)))
    book = Book(*(reversed(facts) if turn else facts))
    assert book.turns == [Turn.STARTED]
    book.tell(tree(pid=20, inner=(99, 7)))
    assert (book.job.process.pid, book.job.process.pid_namespace, book.job.process.wrapper_pid) == (20, SPACE, 5)
    book.tell(ended(7, code=0, reported=True, uid=0))
    assert book.job.exit.code == 0


def test_equal_numbers_in_another_namespace_are_another_process():
    book = Book(started(pid=7, pid_namespace=99), tree(pid=20, inner=(98, 7), logs=()))
    assert len(book.book.running) == 2


def test_a_log_that_told_first_and_its_writer_found_later():
    book = Book(training())
    first = book.job
    assert (first.name, first.process) == ("run", None)
    book.tell(tree(ranks=(30,)))
    job = book.job
    assert (job.id, job.name, job.process.pid, job.progress.step) == (first.id, "train.py", 20, 1)
    assert book.turns == [Turn.STARTED]


def test_progress_in_the_log_of_a_script_begins_its_job():
    book = Book(training(writer=tree()))
    assert (book.job.name, book.job.log, book.job.file, book.job.process.pid) == ("train.py", LOG, FILE, 20)
    book.tell(tree(ranks=(30,), because="shows progress"))
    assert book.turns == [Turn.STARTED]


def test_a_log_job_learns_of_its_writer_from_what_the_log_says():
    book = Book(training(), replace(finding(), writer=tree()))
    assert (book.job.process.pid, len(book.job.incident.findings)) == (20, 1)
    assert book.turns == [Turn.STARTED]


def test_a_process_that_begins_to_write_the_log_of_an_older_run_is_another_job():
    book = Book(training())
    old = book.job.id
    book.tell(tree(started_at=NOW + 3_600_000), at=NOW + 3_600_000)
    new = book.jobs.keys() - {old}
    assert len(new) == 1
    book.conclude(NOW + 3_606_000)
    assert (book.jobs[old].state, book.jobs[old].verified) == (JobState.FAILED, False)
    assert list(book.book.running) == list(new)


def test_two_jobs_that_turn_out_to_be_one_run_become_one_without_a_word():
    book = Book(training(), tree(logs=()))
    log_job, tree_job = book.jobs
    assert book.turns == [Turn.STARTED, Turn.STARTED]
    book.tell(tree(logs=(LOG,)))
    assert (book.job.id, book.job.log, book.job.progress.step) == (tree_job, LOG, 1)
    assert (book.jobs[log_job].running, book.jobs[log_job].keys) == (False, ())
    assert book.turns == [Turn.STARTED, Turn.STARTED]
    book.tell(training(step=5))
    assert book.job.id == tree_job


def test_what_other_logs_of_a_job_say_is_evidence_of_it():
    book = Book(tree(logs=(LOG, OTHER_LOG)), training())
    book.tell(finding(path=OTHER_LOG, file="1:2"))
    assert (book.job.log, book.job.file) == (LOG, FILE)
    assert [item.path for item in book.job.incident.findings] == [OTHER_LOG]
    book.tell(finding(path="/logs/more.log", file="1:3", text="other", writer=tree()))
    assert book.job.logs == (OTHER_LOG, "/logs/more.log")


@pytest.mark.parametrize(
    ("kind", "found", "begins"),
    [(FindingKind.CRASH, True, False), (FindingKind.CRASH, False, True), (FindingKind.GPU_OOM, True, True),
     (FindingKind.DISK_FULL, True, False), (FindingKind.CANCELLED, False, True), (FindingKind.STARTED, True, True)],
)  # fmt: skip
def test_which_errors_begin_a_job_by_themselves(kind, found, begins):
    role = Role.MARKER if kind is FindingKind.STARTED else Role.ROOT
    book = Book(finding(kind=kind, role=role, found=found, writer=tree() if found else None))
    assert len(book.book.running) == begins


# Ends.


def test_the_leader_ends_the_job_and_a_rank_does_not():
    book = Book(tree(ranks=(30, 31)), ended(31, code=137, signal="SIGKILL"))
    assert book.job.exit is None
    assert processes.evidence(book.job) == ("rank 1 (pid 31) was killed by SIGKILL first",)
    book.tell(ended(30, code=143, signal="SIGTERM", at=NOW - 1), ended(20, code=1))
    assert book.job.exit.code == 1
    assert processes.first_failure(book.job).pid == 31


def test_ranks_without_a_launcher_end_with_the_last_of_them():
    book = Book(tree(pid=30, ranks=(30, 31, 32), logs=()), ended(30, code=0, at=NOW), ended(31, code=7, at=NOW + 5))
    assert book.job.exit is None
    assert processes.awaited(book.job) == [(32, 1)]
    book.tell(ended(32, code=143, signal="SIGTERM", at=NOW + 4))
    assert (book.job.exit.code, book.job.exit.at) == (7, NOW + 5)


def test_ends_are_awaited_of_the_leader_and_of_living_ranks():
    book = Book(tree(ranks=(30, 31)))
    assert processes.awaited(book.job) == [(20, 1), (30, 1), (31, 1)]
    book.tell(ended(30))
    assert processes.awaited(book.job) == [(20, 1), (31, 1)]
    book.tell(ended(20))
    assert processes.awaited(book.job) == []


def test_ranks_that_are_started_again_are_another_attempt():
    book = Book(tree(ranks=(30, 31)), finding(kind=FindingKind.CRASH), ended(30), ended(31), tree(ranks=()))
    assert book.job.attempt == 1
    book.tell(tree(ranks=(40, 41)))
    assert (book.job.attempt, book.job.incident, [rank.pid for rank in book.job.ranks]) == (2, None, [40, 41])
    assert book.turns == [Turn.STARTED]
    book.tell(tree(ranks=(41, 42)))
    assert (book.job.attempt, [rank.pid for rank in book.job.ranks]) == (2, [41, 42, 40])


def test_what_hit_the_last_attempt_is_told_before_it_is_forgotten():
    book = Book(tree(ranks=(30,)), finding(), tree(ranks=(40,)))
    assert (book.turns, book.job.incident, book.job.attempt) == ([Turn.STARTED, Turn.HIT], None, 2)


@pytest.mark.parametrize("fact", [tree(), tree(ranks=(30,)), training(writer=tree())])
def test_what_is_still_heard_of_an_ended_run_begins_no_other(fact):
    book = Book(tree(), ended())
    book.conclude(NOW + 10_000)
    (gone,) = book.jobs.values()
    assert book.tell(fact).book.running == {}
    assert Book(fact, ended=[gone]).turns == []


def test_a_run_that_its_log_told_to_the_end_is_not_begun_by_its_process():
    book = Book(training(), finding(kind=FindingKind.COMPLETED, role=Role.MARKER))
    book.conclude(NOW + 20_000)
    assert book.turns == [Turn.STARTED, Turn.ENDED]
    assert book.tell(tree(started_at=NOW - 60_000)).book.running == {}
    book.tell(replace(training(), offset=900, writer=tree()))
    assert book.job.process is None


def test_the_verdict_waits_for_every_log_that_is_read():
    book = Book(tree(logs=(LOG, OTHER_LOG)), ended(code=0))
    logs = {LOG: state(read_at=NOW + 10), OTHER_LOG: state(OTHER_LOG, "1:2", read_at=None)}
    assert book.conclude(NOW + 20, **logs).book.running
    logs[OTHER_LOG] = state(OTHER_LOG, "1:2", read_at=NOW + 15)
    assert book.conclude(NOW + 20, **logs).book.running == {}


# Progress.


def test_progress_is_taken_from_the_log_that_shows_it_and_completed_from_others():
    book = Book(tree(logs=(LOG, OTHER_LOG)))
    steps = state(OTHER_LOG, "1:2", Progress(step=9, total=10), NOW)
    losses = state(LOG, FILE, Progress(loss=1.5, epoch=2.0), NOW)
    book.conclude(NOW + 1, **{LOG: losses, OTHER_LOG: steps})
    shown = book.job.progress
    assert (shown.step, shown.total, shown.loss, shown.epoch) == (9, 10, 1.5, 2.0)


def test_a_log_that_goes_by_its_real_path_since_its_writer_was_found():
    book = Book(training(path="/links/run.log"))
    book.conclude(NOW, **{LOG: state(LOG, FILE, Progress(step=3), NOW)})
    assert (book.job.log, book.job.progress.step) == (LOG, 3)
    book.tell(tree())
    assert (book.job.process.pid, book.turns) == (20, [Turn.STARTED])


def test_a_finding_is_stored_with_its_writer():
    from agent.core.codec import decode, encode

    fact = replace(finding(), writer=tree(ranks=(30,), within=((1, 2),), inner=(3, 4)))
    assert decode(LogFinding, encode(fact)) == fact
