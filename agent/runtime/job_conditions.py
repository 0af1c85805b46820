"""Asks the rules about running jobs, whether they stall and whether their loss is a number, as seldom as is right.

A job is judged when something about it has changed, when its silence may have lasted too long, and each round while an
alert about it is out.
"""

from collections.abc import Callable, Iterator, Mapping

from agent.core import loss_rules, stall
from agent.core.conditions import ConditionState
from agent.core.episodes import Condition, Seen
from agent.core.job import Job
from agent.core.model import AlertType
from agent.core.policy.identity import fingerprint
from agent.core.ports import LogReading
from agent.core.stall import StallLimits
from agent.core.standstill import Standstill
from agent.runtime.board import LogSeen
from agent.runtime.standstills import Standstills


class JobConditions:
    """What was judged last, by job. `watched_from`: since when this process looks, UTC milliseconds."""

    def __init__(self, watched_from: int, standstills: Standstills) -> None:
        self.watched_from = watched_from
        self._standstills = standstills
        self._judged: dict[str, tuple[Job, LogReading | None, Standstill]] = {}
        self._due: dict[str, int | None] = {}

    def seen(
        self, running: Mapping[str, Job], logs: Mapping[str, LogSeen], limits: Callable[[Job], StallLimits],
        node: str, now: int, states: Mapping[str, ConditionState],
    ) -> list[Seen]:  # fmt: skip
        """Judge the jobs for which it is time, and those that have ended since the last round."""
        found: list[Seen] = []
        for job_id in self._judged.keys() - running.keys():
            job, *_ = self._judged.pop(job_id)
            self._due.pop(job_id, None)
            found += self._ended(job, node, now, states)
        for job in running.values():
            log = logs.get(job.log) if job.log is not None else None
            found += self._one(job, log.reading if log is not None else None, limits, node, now, states)
        return found

    def _one(
        self, job: Job, reading: LogReading | None, limits: Callable[[Job], StallLimits], node: str, now: int,
        states: Mapping[str, ConditionState],
    ) -> Iterator[Seen]:  # fmt: skip
        stalls = _fires(states, AlertType.TIMEOUT_WARNING, stall.identity(job, node))
        due = self._due.get(job.id)
        known = self._judged.get(job.id)
        seen = self._standstills.of(job.id)
        same = known is not None and known[0] is job and known[1] is reading and known[2] is seen
        if same and not stalls and (due is None or now < due):
            return
        self._judged[job.id] = (job, reading, seen)
        allowed = limits(job)
        silence = stall.silence(job, reading, allowed, self.watched_from, seen)
        self._due[job.id] = silence.ends_at if silence is not None else None
        yield stall.look(job, reading, allowed, node, now, self.watched_from, firing=stalls, seen=seen)
        yield loss_rules.look(job, node, now)

    def _ended(self, job: Job, node: str, now: int, states: Mapping[str, ConditionState]) -> Iterator[Seen]:
        ends: tuple[Condition, ...] = (stall.over(job, node).condition, loss_rules.look(job, node, now).condition)
        for condition in ends:
            if condition.fingerprint in states:
                yield Seen(condition, None)


def _fires(states: Mapping[str, ConditionState], alert_type: AlertType, identity: Mapping[str, str]) -> bool:
    state = states.get(fingerprint(alert_type, identity))
    return state is not None and state.firing
