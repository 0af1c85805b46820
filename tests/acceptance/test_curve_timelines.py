"""When the course of a running job is stored: its last step often, the whole curve now and then and at the end."""

from agent.core.facts import ProcessEnded, ProcessStarted, Progress
from agent.core.ports import LogReading, Reading
from agent.runtime.curves import CURVES_SAVED_EVERY
from agent.runtime.evaluator import PROGRESS_SAVED_EVERY, SECOND
from agent.store import jobs

LOG = "/data/train.log"
PROCESS = ("boot", 4242, 99)


def train(node, clock, seconds):
    """Let a bar move on once a second."""
    for _ in range(seconds):
        now = clock.now()
        progress = Progress(step=now.wall // SECOND, total=None, loss=0.5)
        reading = LogReading(LOG, "1:1:1", 100, 100, progress, now.wall)
        node.board.publish("logs", Reading(logs=(reading,)), now)
        node.run(1)


def stored(node):
    """The running or last job, and its stored curve."""
    def read(conn):
        ((job_id,),) = conn.execute("SELECT id FROM job").fetchall()
        return jobs.get(conn, job_id), jobs.curve(conn, job_id)

    return node.database.read(read)


def test_the_last_step_is_stored_often_and_the_curve_now_and_then(nodes, clock):
    node = nodes()
    node.tell(ProcessStarted(*PROCESS, clock.now().wall, "bert", "train.py", LOG))
    train(node, clock, 2 * PROGRESS_SAVED_EVERY // SECOND)
    job, curve = stored(node)
    assert job.progress.step is not None
    assert curve == []
    train(node, clock, CURVES_SAVED_EVERY // SECOND)
    job, curve = stored(node)
    assert len(curve) > 200
    assert curve == sorted(curve)


def test_the_curve_is_whole_when_the_job_ends(nodes, clock):
    node = nodes()
    node.tell(ProcessStarted(*PROCESS, clock.now().wall, "bert", "train.py", LOG))
    train(node, clock, 20)
    node.tell(ProcessEnded(*PROCESS, clock.now().wall, 0, None, reported=True))
    train(node, clock, 20)
    job, curve = stored(node)
    assert job.ended_at is not None
    assert len(curve) >= 19
