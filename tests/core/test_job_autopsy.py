"""What the GPUs showed when a job ran out of memory, from the line that says so to the alerts that tell it."""

from agent.core import job_alerts
from agent.core.clock import MINUTE
from agent.core.codec import decode, encode
from agent.core.facts import FindingKind, ProcessEnded, ProcessStarted
from agent.core.gpu import GpuIdentity
from agent.core.incidents import WINDOW
from agent.core.job import HeldGpu, Job
from agent.core.jobbook import JobBook
from agent.core.jobs import LOG_WAIT, Turn
from agent.core.post_mortem import Autopsy
from tests.core.values import LOG, NOW, event, finding

GPU = GpuIdentity("GPU-1", 3, "0000:05:00", "NVIDIA H100")
TOLD = Autopsy(GPU, ("It was GPU 3.",), ("GPU memory over 10m:", "pid 7 ▁▂█"), "Give it a GPU of its own.")
STARTED = ProcessStarted("b", 7, 70, NOW, "llama", "train.py", log=LOG, wrapper_pid=6)


def book(*facts, autopsy=TOLD):
    looked = []

    def examine(job, fact, at):
        looked.append((job.id, fact.text, at))
        return autopsy

    made = JobBook([], examine=examine)
    made.looked = looked
    for fact in facts:
        made.fold(event(fact))
    return made


def the_end(made):
    made.fold(event(ProcessEnded("b", 7, 70, NOW + MINUTE, 1, reported=True)))
    ((job, turn),) = made.conclude(NOW + MINUTE + LOG_WAIT, {})
    assert turn is Turn.ENDED
    return job_alerts.for_turn(job, turn, "n1", NOW + MINUTE)


def test_it_reaches_the_failure_and_its_cause():
    failed, cause = the_end(book(STARTED, finding()))

    for alert in (failed, cause):
        assert "ran out of GPU memory" in alert.message and "It was GPU 3." in alert.message
        assert alert.evidence[-3:] == ("CUDA out of memory.", *TOLD.chart)
        assert alert.advice == TOLD.advice
        assert alert.gpu == {"index": 3, "uuid": "GPU-1", "name": "NVIDIA H100"}


def test_it_reaches_the_alert_of_a_process_that_lives_on_which_names_the_error():
    made = book(STARTED, finding())
    ((job, turn),) = made.conclude(NOW + WINDOW, {})
    (alert,) = job_alerts.for_turn(job, turn, "n1", NOW + WINDOW)

    assert turn is Turn.HIT
    assert alert.evidence[-2:] == TOLD.chart
    assert alert.job["error"] == "CUDA out of memory."


def test_what_was_seen_is_not_said_to_be_unseen():
    suspected = finding(facts={"grade": "suspected"})

    assert "was not seen" not in the_end(book(STARTED, suspected))[0].message
    assert "was not seen" in the_end(book(STARTED, suspected, autopsy=None))[0].message


def test_the_first_error_is_looked_at_and_no_other():
    made = book(STARTED, finding(), finding(offset=900, text="another"), finding(kind=FindingKind.CRASH, offset=950))

    assert [text for _, text, _ in made.looked] == ["CUDA out of memory."]


def test_where_nothing_was_seen_the_text_alone_is_told():
    failed, _ = the_end(book(STARTED, finding(), autopsy=None))

    assert failed.evidence == ("CUDA out of memory.",)
    assert failed.gpu is None
    assert "batch size" in failed.advice


def test_a_failure_of_another_kind_does_not_show_memory():
    (failed,) = the_end(book(STARTED, finding(kind=FindingKind.XID), finding(offset=900)))

    assert failed.evidence[-1:] != TOLD.chart[-1:]
    assert failed.gpu is None


def test_it_outlives_a_restart_of_the_agent():
    (job,) = book(STARTED, finding()).running.values()

    assert decode(Job, encode(job)).incident.autopsy == TOLD


def test_the_gpus_of_a_job_are_noted_and_told():
    made = book(STARTED)
    (job,) = made.running.values()
    gpus = (HeldGpu(3, "GPU-1", "NVIDIA H100"),)

    assert [item.held for item, _ in made.hold({job.id: gpus, "gone": gpus})] == [gpus]
    assert made.hold({job.id: gpus}) == []
    assert the_end(made)[0].job["gpus"] == [3]
