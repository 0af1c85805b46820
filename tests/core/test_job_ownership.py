"""Anyone on the node may hand in the end of a process: it is believed only of one's own job."""

import pytest

from agent.core.facts import Event, ProcessEnded, ProcessStarted
from agent.core.jobbook import JobBook

OWNER, OTHER = 1000, 1001


@pytest.mark.parametrize(("uid", "believed"), [(OWNER, True), (0, True), (None, True), (OTHER, False)])
def test_the_end_of_a_job_is_told_by_its_owner_root_or_the_agent(uid, believed):
    book = JobBook(())
    book.fold(Event("start", "spool", 1, ProcessStarted("boot", 7, 99, 1, "run", "train.py", uid=OWNER)))
    book.fold(Event("end", "spool", 2, ProcessEnded("boot", 7, 99, 2, exit_code=0, reported=True, uid=uid)))
    (job,) = book.running.values()
    assert (job.exit is not None) is believed
