"""The one place where facts become alerts: events and readings in, jobs, alerts and deliveries out, round by round.

It keeps the running jobs, the state of each condition and the live alerts in memory, as a copy of what is stored. The
rules themselves are in `core/`; here is only the order of a round, all of which is stored in one transaction.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from agent.core import clock_steps, episodes, handed_in, job_alerts, report_alert
from agent.core.clock import MINUTE, SECOND, Instant
from agent.core.docket import REPEAT_WINDOW, Docket
from agent.core.facts import Event, HandedIn, KernelSeen, ReportMade, ResolveAsked
from agent.core.job import Job
from agent.core.jobbook import JobBook, Turned
from agent.core.model import Alert, AlertType, Status
from agent.runtime import endings
from agent.runtime.board import Board, LogSeen
from agent.runtime.changes import Changes
from agent.runtime.clock_watch import ClockWatch
from agent.runtime.conditions import Conditions
from agent.runtime.curves import Curves
from agent.runtime.dispatch import Dispatch
from agent.runtime.evaluator_settings import Settings
from agent.runtime.gpu_conditions import GpuConditions
from agent.runtime.gpu_usage import GpuUsage
from agent.runtime.job_conditions import JobConditions
from agent.runtime.job_gpus import JobGpus
from agent.runtime.kernel_facts import KernelFacts
from agent.runtime.log import event as log_event
from agent.runtime.log_states import log_states
from agent.runtime.metrics import Metrics
from agent.runtime.standstills import Standstills
from agent.runtime.wishes import Wishes, wishes_for
from agent.runtime.worker import Next, attempt
from agent.store import alerts, events, jobs
from agent.store.database import Database

_log = logging.getLogger(__name__)

EVENTS_A_ROUND = 500
"""How many events share one transaction."""
UNSTORED_A_ROUND = 100
"""How many events are taken a round that cannot be stored at present."""
TICK = 1.0
"""Seconds between rounds when nothing rings."""
PROGRESS_SAVED_EVERY = 15 * SECOND
"""How often the last step and loss of running jobs are stored, when nothing else is."""


REFRESHED_EVERY = 5 * MINUTE
"""How often the texts of what fires are brought up to date."""


@dataclass(frozen=True, slots=True)
class _End:
    """The alert that told of a job's failure, and the failure's reason."""

    alert_id: str
    reason: str


class Evaluator:
    """One round after the other; `step` is a worker's step."""

    def __init__(
        self, settings: Callable[[], Settings], database: Database, board: Board, metrics: Metrics,
        conditions: Conditions, dispatch: Dispatch, now: Instant, *, wished: Callable[[], None],
    ) -> None:
        """Continue where the last process stopped: open episodes go on, nothing is announced again.

        `settings` gives those in force; `wished` wakes the sources when a round wants something new of them.
        """
        self._current_settings = settings
        self._settings = settings()
        self._wished = wished
        self._wishes = Wishes()
        self._db = database
        self._board = board
        self._metrics = metrics
        self._conditions = conditions
        self._dispatch = dispatch
        self._taken_unstored: set[str] = set()
        self._ends: dict[str, _End] = {}
        """The failures of this round, by job."""
        self._changes = Changes()
        """What this round has come to; a round that fails half-way is taken up by the next one."""
        self._progress_saved_at = self._refreshed_at = now.wall
        self._clock = ClockWatch(database, metrics, now)
        self._load(now)

    def step(self, now: Instant) -> Next:
        """Do one round; the next follows at once if more events wait."""
        self._adopt_settings()
        changes = self._changes
        step = self._clock.step(now)
        if step:
            self._raise(clock_steps.alert_of(step, now.wall, self._settings.node), changes, now.wall)
        self._look_at_gpus(changes, now)
        # Taken before the events: what a log said up to a reading is then among them, or still to come.
        logs = self._board.logs()
        more = self._take_events(changes, now.wall)
        if not more:
            self._conclude_jobs(changes, logs, now)
        self._judge_conditions(changes, now)
        self._ends.clear()
        self._dispatch.decide(changes, self._docket, self._settings.recipients, self._settings.rules, now.wall)
        self._changes = Changes()
        self._dispatch.commit(changes, now)
        self._wish(now)
        self._board.beat(now)
        return Next(0.0 if more else TICK)

    @property
    def due_at(self) -> int:
        """When policy wants its next round (UTC milliseconds), should nothing happen before."""
        return self._dispatch.due_at

    @property
    def in_the_balance(self) -> bool:
        """Whether the mere passing of seconds may turn something: a job that runs, a condition about to change."""
        return bool(self._book.running) or self._conditions.turning

    def take(self, alert: Alert, now: int) -> None:
        """Take an alert as it was recorded; the next round deals with it."""
        self._raise(alert, self._changes, now)

    def _adopt_settings(self) -> None:
        """Use the settings in force; what was told under earlier ones is not told again."""
        settings = self._current_settings()
        if settings is not self._settings:
            self._settings = settings
            self._dispatch.reconsider()

    def _wish(self, now: Instant) -> None:
        running = self._book.running
        suspects = self._standstills.suspects(running, now.wall)
        wishes = wishes_for(running.values(), self._settings.pid_namespace, suspects)
        if wishes != self._wishes:
            self._wishes = wishes
            self._board.wish(wishes)
            self._wished()

    def _load(self, now: Instant) -> None:
        self._cursor = self._db.read(events.cursor)
        ended = self._db.read(lambda conn: jobs.ended(conn, now.wall - REPEAT_WINDOW))
        self._job_gpus = JobGpus(self._board)
        self._standstills = Standstills(self._board, self._job_gpus)
        self._usage = GpuUsage(self._db, now)
        self._book = JobBook(
            self._db.read(jobs.running), self._described, ended, watched_from=now.wall, examine=self._job_gpus.examine
        )
        self._job_conditions = JobConditions(now.wall, self._standstills)
        self._gpus = GpuConditions(self._db, self._board.gpus)
        self._kernel = KernelFacts(self._gpus, self._job_gpus, self._conditions)
        curves = self._db.read(lambda conn: {job: jobs.curve(conn, job) for job in self._book.running})
        self._curves = Curves(curves, now.wall)
        live = {alert.id: alert for alert in (*self._db.read(alerts.firing), *self._db.read(alerts.unsettled))}
        recent = self._db.read(lambda conn: alerts.one_shots(conn, now.wall - REPEAT_WINDOW))
        self._docket = Docket(live.values(), recent)

    def _look_at_gpus(self, changes: Changes, now: Instant) -> None:
        """See who holds what, before anything is judged by it."""
        running = self._book.running
        fresh = self._job_gpus.look(running, self._settings.pid_namespace, now)
        if fresh:
            self._usage.follow(self._job_gpus.readings(), self._job_gpus.holders(), now)
            self._turn(self._book.hold(self._job_gpus.held()), changes, now.wall)
        self._standstills.follow(running, now.wall, fresh=fresh)
        changes.usage |= self._usage.due(now.wall)

    def _described(self, job: Job) -> Job:
        return self._settings.describe(job)

    def _take_events(self, changes: Changes, now: int) -> bool:
        rows = self._db.read(lambda conn: events.after(conn, self._cursor, EVENTS_A_ROUND))
        for seq, event in rows:
            self._cursor = changes.cursor = seq
            if event is not None and event.id not in self._taken_unstored:
                self._judge(event, changes, now)
        if self._dispatch.room:
            self._take_unstored(changes, now)
        return len(rows) == EVENTS_A_ROUND

    def _take_unstored(self, changes: Changes, now: int) -> None:
        """Take a few of the events that the store refuses; once it takes them they are known already."""
        fresh = [event for event in self._board.unstored() if event.id not in self._taken_unstored]
        for event in fresh[:UNSTORED_A_ROUND]:
            self._taken_unstored.add(event.id)
            self._judge(event, changes, now)

    def _judge(self, event: Event, changes: Changes, now: int) -> None:
        """Take one event; one that cannot be judged is told of in the log and keeps nothing else from being judged."""
        failure = attempt(lambda: self._take(event, changes, now))
        if failure is not None:
            log_event(_log, logging.ERROR, "an event could not be judged", error=failure, source=event.source)

    def _take(self, event: Event, changes: Changes, now: int) -> None:
        fact, node = event.fact, self._settings.node
        if isinstance(fact, HandedIn):
            current = self._docket.firing(handed_in.identity(event, fact, node))
            self._raise(handed_in.alert_of(event, fact, node, current), changes, now)
        elif isinstance(fact, ReportMade):
            self._raise(report_alert.alert_of(event, fact, node), changes, now)
        elif isinstance(fact, ResolveAsked):
            alert = self._docket.live.get(fact.alert_id)
            if alert is not None and alert.status is Status.FIRING:
                self._gpus.resolved(alert, event.at)
                self._raise(episodes.end(alert, event.at), changes, now)
            changes.note(endings.by_hand(fact.alert_id, self._docket, self._db, event.at))
        elif isinstance(fact, KernelSeen):
            self._turn(self._kernel.hear(fact, event.at, self._book), changes, now)
        else:
            self._turn(self._book.fold(event), changes, now)

    def _conclude_jobs(self, changes: Changes, logs: Mapping[str, LogSeen], now: Instant) -> None:
        turned = self._book.conclude(now.wall, log_states(self._book.running.values(), logs, now))
        self._turn((item for item in turned if item[1] is not None), changes, now.wall)
        for job, _ in turned:
            self._curves.extend(job)
        if turned and now.wall - self._progress_saved_at >= PROGRESS_SAVED_EVERY:
            self._progress_saved_at = now.wall
            changes.jobs |= self._book.running
            self._curves.note_all(changes, now.wall)

    def _turn(self, turned: Iterable[Turned], changes: Changes, now: int) -> None:
        for job, turn in turned:
            changes.jobs[job.id] = job
            self._curves.note(job, changes)
            if turn is None:
                continue
            for alert in job_alerts.for_turn(job, turn, self._settings.node, now):
                self._raise(alert, changes, now)
                if alert.type is AlertType.JOB_FAILED and job.reason is not None:
                    self._ends[job.id] = _End(alert.id, job.reason)

    def _judge_conditions(self, changes: Changes, now: Instant) -> None:
        before, settings = self._conditions.states, self._settings
        seen = self._job_conditions.seen(
            self._book.running, self._board.logs(), settings.stall, settings.node, now.wall, before
        )
        firing, holders = self._docket.episodes, self._job_gpus.holders()
        seen += self._gpus.seen(settings.gpu, settings.node, now.wall, before, firing, holders)
        self._gpus.note(changes)
        stepped = self._conditions.step(
            now, settings.node, settings.recipients, settings.rules, settings.disk, seen
        )
        for condition, transition in stepped:
            current = self._docket.firing(condition.fingerprint)
            self._raise(self._under_its_end(episodes.apply(current, condition, transition)), changes, now.wall)
        changes.note_rules(before, self._conditions.states)
        self._refresh(changes, now.wall)

    def _refresh(self, changes: Changes, now: int) -> None:
        """Let what still fires tell how it stands: nobody is told of that alone, but whoever is told reads it."""
        if not 0 <= now - self._refreshed_at < REFRESHED_EVERY:
            self._refreshed_at = now
            for condition in self._conditions.standing:
                current = self._docket.firing(condition.fingerprint)
                fresh = self._settings.recorded(episodes.refreshed(current, condition)) if current is not None else None
                if fresh is not None and fresh != current:
                    self._docket.take(fresh, now)
                    changes.alerts[fresh.id] = fresh

    def _under_its_end(self, alert: Alert | None) -> Alert | None:
        """Let the end of a job stand for a condition that was its cause."""
        end = self._ends.get(alert.job_id or "") if alert is not None else None
        if alert is None or end is None or alert.type is not job_alerts.CONDITIONS.get(end.reason):
            return alert
        return replace(alert, cause_of=end.alert_id)

    def _raise(self, alert: Alert | None, changes: Changes, now: int) -> None:
        if alert is None:
            return
        alert = self._settings.recorded(alert)
        if self._docket.take(alert, now):
            changes.alerts[alert.id] = alert
            self._metrics.alert_event(alert)
            settings = self._settings
            changes.note(endings.by_alert(alert, self._docket, self._db, settings.recipients, settings.rules))
