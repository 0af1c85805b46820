"""The life of a job, from evidence to its end."""

import math
from dataclasses import replace

import pytest

from agent.core import job_alerts
from agent.core.clock import MINUTE, SECOND
from agent.core.facts import FindingKind, ProcessEnded, ProcessStarted, Progress, Role, TrainingSeen
from agent.core.incidents import WINDOW
from agent.core.job import JobState
from agent.core.jobbook import JobBook, LogState
from agent.core.jobs import FINAL_SETTLE, KILL_WAIT, LOG_WAIT, REPORT_WAIT, SETTLE, Turn
from agent.core.model import AlertType, Severity
from agent.core.ports import LogReading
from tests.core.values import FILE, LOG, NOW, event, finding, progress


def seen(offset=0, **numbers):
    return TrainingSeen(LOG, FILE, offset, progress(**numbers))


def started(**changes):
    values = {
        "boot_id": "b",
        "pid": 7,
        "start_ticks": 70,
        "started_at": NOW,
        "name": "llama",
        "command": "train.py",
        "log": LOG,
        "wrapper_pid": 6,
    }
    return ProcessStarted(**(values | changes))


def ended(at=NOW + MINUTE, code=1, **changes):
    return ProcessEnded("b", 7, 70, at, code, **({"reported": True} | changes))


class Book(JobBook):
    """A job book with the log of the one job in these tests read to its end whenever the test says so."""

    def __init__(self, *facts):
        super().__init__([])
        self.turns = []
        for fact in facts:
            self.tell(fact)

    def tell(self, fact, at=NOW):
        self._note(self.fold(event(fact, at)))

    def at(self, now, read_at=None, **numbers):
        shown = progress(**numbers) if numbers else None
        reading = LogReading(LOG, FILE, 1000, 1000, shown, now if shown else None)
        self._note(self.conclude(now, {LOG: LogState(reading, now if read_at is None else read_at)}))
        return [turn for _, turn in self.turns]

    def _note(self, turned):
        self.turns += [(job, turn) for job, turn in turned if turn is not None]

    @property
    def job(self):
        return self.turns[-1][0]


def test_the_first_progress_of_a_log_begins_a_job():
    book = Book(seen(step=1))
    assert [(job.name, job.log, turn) for job, turn in book.turns] == [("run", LOG, Turn.STARTED)]


def test_the_same_place_in_a_log_always_mints_the_same_id():
    assert Book(seen(offset=5)).job.id == Book(seen(offset=5, step=9)).job.id
    assert Book(seen(offset=5)).job.id != Book(seen(offset=6)).job.id


def test_a_process_joins_the_job_that_its_log_began():
    book = Book(seen())
    first = book.job.id
    book.tell(started())
    (job,) = book.running.values()
    assert (job.id, job.name, job.process.pid) == (first, "llama", 7)


def test_a_process_that_is_reported_twice_is_one_job():
    book = Book(started(), started())
    assert [turn for _, turn in book.turns] == [Turn.STARTED]


def test_an_out_of_memory_error_that_ends_the_process_is_the_reason():
    book = Book(started(), seen(step=40))
    book.tell(finding(text="torch.OutOfMemoryError: CUDA out of memory."), NOW + SECOND)
    book.tell(ended(NOW + 2 * SECOND))
    assert book.at(NOW + 2 * SECOND)[-1] is Turn.ENDED
    job = book.job
    assert (job.state, job.reason, job.exit.code, job.verified) == (JobState.FAILED, "gpu_oom", 1, True)
    assert job.error == "torch.OutOfMemoryError: CUDA out of memory."
    assert not book.running


def test_the_end_waits_for_the_last_words_of_the_log():
    book = Book(started(), ended(NOW))
    assert Turn.ENDED not in book.at(NOW + SECOND, read_at=NOW - 1)
    assert Turn.ENDED in book.at(NOW + LOG_WAIT, read_at=NOW - 1)


def test_the_end_waits_for_the_exit_code_of_a_wrapped_process():
    book = Book(started(), ended(NOW, code=None, reported=False))
    assert Turn.ENDED not in book.at(NOW + 1)
    book.tell(ended(NOW, code=3))
    assert Turn.ENDED in book.at(NOW + 2)
    assert (book.job.exit.code, book.job.reason) == (3, "exit")


def test_a_wrapper_that_never_reports_is_not_waited_for_for_ever():
    book = Book(started(), ended(NOW, code=None, reported=False))
    assert Turn.ENDED in book.at(NOW + REPORT_WAIT)


@pytest.mark.parametrize(
    ("code", "signal", "state", "reason"),
    [
        (0, None, JobState.COMPLETED, None),
        (3, None, JobState.FAILED, "exit"),
        (137, "SIGKILL", JobState.FAILED, "signal"),
        (139, "SIGSEGV", JobState.FAILED, "signal"),
        (130, "SIGINT", JobState.CANCELLED, "cancelled"),
        (143, "SIGTERM", JobState.CANCELLED, "cancelled"),
    ],
)
def test_exit_codes_without_a_word_in_the_log(code, signal, state, reason):
    book = Book(started(), ended(NOW, code, signal=signal))
    book.at(NOW + KILL_WAIT)
    assert (book.job.state, book.job.reason) == (state, reason)


def test_a_clean_exit_short_of_the_total_is_unverified():
    book = Book(started(), seen(step=50, total=100), ended(NOW, 0))
    book.at(NOW)
    assert (book.job.state, book.job.verified) == (JobState.COMPLETED, False)


def test_a_clean_exit_after_an_uncaught_error_is_a_failure_in_doubt():
    book = Book(started(), seen(step=50), finding(kind=FindingKind.CRASH, text="ValueError: x"), ended(NOW, 0))
    book.at(NOW)
    assert (book.job.state, book.job.reason, book.job.verified) == (JobState.FAILED, "crash", False)


def test_a_failure_after_the_completion_marker_is_a_completion_with_trouble():
    book = Book(started(), seen(step=100), finding(kind=FindingKind.COMPLETED, role=Role.MARKER), ended(NOW, 1))
    book.at(NOW)
    assert (book.job.state, book.job.error) == (JobState.COMPLETED, "exit code 1 after training was complete")
    (told,) = job_alerts.for_turn(book.job, Turn.ENDED, "n1", NOW)
    assert (told.type, told.severity) == (AlertType.JOB_COMPLETED, Severity.WARNING)


@pytest.mark.parametrize(
    ("numbers", "state", "reason"),
    [
        ({"step": 99, "total": 100}, JobState.COMPLETED, None),
        ({"step": 50, "total": 100}, JobState.FAILED, "exit"),
        ({"step": 50, "total": None}, JobState.UNKNOWN, None),
    ],
)
def test_a_process_that_vanishes_is_judged_by_its_log(numbers, state, reason):
    book = Book(started(wrapper_pid=None), seen(**numbers), ended(NOW, None, reported=False))
    book.at(NOW)
    assert (book.job.state, book.job.reason, book.job.verified) == (state, reason, False)


def test_an_error_that_the_program_survives_ends_nothing():
    book = Book(seen(step=10), finding(progress=Progress(step=10, total=100)))
    assert book.at(NOW + SECOND, step=12, total=100) == [Turn.STARTED]
    assert book.at(NOW + 10 * MINUTE, step=13, total=100) == [Turn.STARTED]
    (job,) = book.running.values()
    assert (job.incident, job.survived_at) == (None, (NOW + SECOND,))


def test_three_survivals_within_an_hour_are_a_warning():
    book = Book(seen(step=0))
    for n in range(1, 4):
        book.tell(finding(offset=n, progress=Progress(step=10 * n)), NOW + n * MINUTE)
        book.at(NOW + n * MINUTE + SECOND, step=10 * n + 2, total=None)
    alerts = [alert for job, turn in book.turns for alert in job_alerts.for_turn(job, turn, "n1", NOW)]
    assert [(a.type, a.severity) for a in alerts if a.type is AlertType.GPU_OOM] == [
        (AlertType.GPU_OOM, Severity.WARNING)
    ]


def test_survivals_that_are_read_at_once_are_counted_one_by_one():
    book = Book(seen(step=0))
    for n in range(1, 6):
        book.tell(finding(offset=n, text=f"oom {n}", progress=Progress(step=10 * n)))
    assert book.at(NOW + SECOND, step=60, total=None).count(Turn.SURVIVED) == 1
    (job,) = book.running.values()
    assert len(job.survived_at) == 5
    assert book.at(NOW + MINUTE, step=70, total=None).count(Turn.SURVIVED) == 1


def test_an_error_that_was_survived_is_not_the_cause_of_a_later_end():
    book = Book(
        seen(step=0),
        finding(progress=Progress(step=100)),
        finding(kind=FindingKind.CRASH, text="boom", offset=900, progress=Progress(step=500), final=True),
    )
    book.at(NOW + FINAL_SETTLE)
    assert (book.job.reason, book.job.error) == ("crash", "boom")


def test_a_write_that_failed_is_not_the_cause_of_a_later_end():
    book = Book(
        seen(step=0),
        finding(kind=FindingKind.DISK_FULL, text="full", progress=Progress(step=100)),
        finding(kind=FindingKind.CRASH, text="boom", offset=900, progress=Progress(step=500), final=True),
    )
    book.at(NOW + FINAL_SETTLE)
    assert book.job.reason == "crash"


def test_a_program_that_begins_again_with_a_smaller_batch_has_survived():
    book = Book(started(), seen(step=50), finding(progress=Progress(step=50, total=100)))
    book.tell(seen(offset=300, step=0, total=200), NOW + SECOND)
    book.at(NOW + 2 * SECOND, step=3, total=200)
    (job,) = book.running.values()
    assert (job.incident, len(job.survived_at)) == (None, 1)


def test_an_uncaught_error_is_not_survived_by_steps_that_come_with_it():
    book = Book(seen(step=10), finding(facts={"uncaught": True}, progress=Progress(step=10, total=100)))
    book.at(NOW + SECOND, step=30, total=100)
    assert Turn.ENDED in book.at(NOW + WINDOW)


def test_a_run_goes_on_with_a_loss_that_is_no_number():
    nan = finding(kind=FindingKind.NAN_LOSS, text="loss nan", severity=Severity.WARNING)
    book = Book(seen(step=10), nan)
    assert book.at(NOW + 2 * WINDOW, step=20, total=100, loss=math.nan) == [Turn.STARTED]
    book.tell(finding(kind=FindingKind.CANCELLED, text="^C", offset=900, final=True), NOW + 3 * WINDOW)
    book.at(NOW + 3 * WINDOW + FINAL_SETTLE)
    assert (book.job.state, book.job.reason) == (JobState.CANCELLED, "nan_loss")


@pytest.mark.parametrize("root", [{"kind": FindingKind.NAN_LOSS}, {"kind": FindingKind.CRASH, "doubt": 2}])
def test_what_does_not_end_a_program_leaves_its_exit_code_the_last_word(root):
    book = Book(started(), seen(step=100), finding(**root), ended(NOW, 0))
    book.at(NOW)
    assert (book.job.state, book.job.reason) == (JobState.COMPLETED, None)


def test_a_skipped_batch_alone_ends_nothing():
    book = Book(seen(step=10), finding(role=Role.SURVIVABLE, facts={"skipped": True}))
    assert book.at(NOW + WINDOW) == [Turn.STARTED]
    (job,) = book.running.values()
    assert (job.incident, len(job.survived_at)) == (None, 1)


def test_a_job_known_by_its_log_ends_a_minute_after_an_error_that_nothing_follows():
    book = Book(seen(step=10), finding())
    assert Turn.ENDED not in book.at(NOW + WINDOW - 1)
    assert Turn.ENDED in book.at(NOW + WINDOW)
    assert (book.job.state, book.job.reason, book.job.verified) == (JobState.FAILED, "gpu_oom", False)


def test_text_that_nobody_survives_ends_it_sooner():
    book = Book(seen(step=10), finding(), finding(kind=FindingKind.CRASH, final=True, offset=200))
    assert Turn.ENDED in book.at(NOW + FINAL_SETTLE)
    assert (book.job.reason, book.job.verified) == ("gpu_oom", True)


def test_a_completion_marker_ends_it_unless_training_goes_on():
    marker = finding(kind=FindingKind.COMPLETED, role=Role.MARKER)
    assert Turn.ENDED in Book(seen(step=100), marker).at(NOW + SETTLE)
    goes_on = Book(seen(step=100), marker)
    goes_on.at(NOW + SECOND, step=1, total=100)
    assert Turn.ENDED not in goes_on.at(NOW + SETTLE)


def test_what_trails_an_ended_run_begins_no_other():
    book = Book(seen(step=10), finding(final=True))
    book.at(NOW + FINAL_SETTLE)
    book.tell(finding(kind=FindingKind.CRASH, offset=300), NOW + MINUTE)
    assert not book.running
    book.tell(seen(offset=400, step=1), NOW + MINUTE)
    assert len(book.running) == 1


def test_an_out_of_memory_error_of_a_process_that_hangs_on_is_told_once():
    book = Book(started(), seen(step=10), finding())
    assert book.at(NOW + WINDOW)[-1] is Turn.HIT
    assert book.at(NOW + 2 * WINDOW).count(Turn.HIT) == 1
    (told,) = job_alerts.for_turn(book.job, Turn.HIT, "n1", NOW + WINDOW)
    assert (told.type, told.severity) == (AlertType.GPU_OOM, Severity.CRITICAL)


def test_the_end_tells_cause_numbers_and_evidence():
    book = Book(started(), seen(step=10))
    book.tell(
        finding(
            text="CUDA out of memory. Tried to allocate 2 GiB.",
            facts={"tried": 2 << 30},
            context=("loss.backward()",),
            progress=Progress(step=412, total=5000, loss=1.25),
        )
    )
    book.tell(ended(NOW + MINUTE))
    book.at(NOW + MINUTE)
    end, cause = job_alerts.for_turn(book.job, Turn.ENDED, "n1", NOW + MINUTE)
    assert (end.type, cause.type, cause.cause_of) == (AlertType.JOB_FAILED, AlertType.GPU_OOM, end.id)
    assert end.message == "llama ran out of GPU memory at step 412 of 5000."
    assert end.evidence == ("loss.backward()", "CUDA out of memory. Tried to allocate 2 GiB.")
    assert (end.job["step"], end.job["total_steps"], end.job["loss"], end.job["duration_seconds"]) == (
        412,
        5000,
        1.25,
        60,
    )
    assert "batch size" in end.advice


def test_a_restart_of_the_agent_changes_no_job():
    book = Book(started(), seen(step=10))
    again = JobBook(book.running.values())
    again.fold(event(ended(NOW, 1)))
    ((job, turn),) = again.conclude(NOW + LOG_WAIT, {})
    assert (job.id, turn) == (book.job.id, Turn.ENDED)


def test_wake_up_times_cover_every_wait():
    book = Book(seen(), finding())
    assert book.wake_at(NOW) == NOW + FINAL_SETTLE
    assert book.wake_at(NOW + FINAL_SETTLE) == NOW + WINDOW
    assert replace(book.job, incident=None).running
