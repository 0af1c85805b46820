"""The step of every source: look, show what was seen, and commit what happened together with where the source stands.

It supplies what no source has to care about: the restored checkpoint, the schedule, the commit, and what to do while
the store refuses. It does not know what any source looks at.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from agent.core.clock import Clock, Instant
from agent.core.ports import Consuming, Reading, Source, Unavailable
from agent.core.presentable import event_without_secrets
from agent.runtime.board import UNSTORED_LIMIT, Board
from agent.runtime.log import event
from agent.runtime.uncommitted import COMMIT_INTERVAL, Uncommitted
from agent.runtime.worker import Next
from agent.store.database import Database
from agent.store.errors import StoreError, StoreFull

logger = logging.getLogger(__name__)

STORE_RETRY = 2.0
"""Seconds before a commit that the store refused is tried again."""


class SourceStep:
    """One source's step, and its end; both run on the source's worker.

    `on_events` wakes the evaluator; `observe` is given the seconds that each look took; `clean` takes secrets out of
    texts.
    """

    def __init__(
        self,
        source: Source,
        open_database: Callable[[], Database],
        board: Board,
        clock: Clock,
        *,
        on_events: Callable[[], None],
        observe: Callable[[float], None],
        clean: Callable[[str], str] = str,
        commit_interval: float = COMMIT_INTERVAL,
    ) -> None:
        self._source = source
        self._board = board
        self._clock = clock
        self._on_events = on_events
        self._observe = observe
        self._clean = clean
        self._uncommitted = Uncommitted(source.name, open_database, commit_interval)
        self._restored = False
        self._refused = False
        self._unavailable: str | None = None
        self._was_there = False
        self._planned_at: float | None = None

    def __call__(self, now: Instant) -> Next:
        """Look once and commit.

        While the store refuses, the source is still looked at, so that the evaluator can act on what happens. Once
        `UNSTORED_LIMIT` events wait it is not: the rest stays where it is, in the file, the kernel or the spool.
        """
        if not self._restored and not self._restore(now):
            return Next(STORE_RETRY)
        open_for_more = not self._refused or self._commit(now)
        began = self._clock.now()
        reading = self._look(began) if self._uncommitted.waiting < UNSTORED_LIMIT else None
        if open_for_more:
            self._commit(now)
        if self._refused:
            self._show_refused()
        if reading is not None:
            self._publish(reading, began)
        return self._following(reading or Reading(), now)

    def close(self, now: Instant) -> None:
        """Commit what is left and let go of everything; what the store refuses now is read again after the start."""
        with ExitStack() as stack:
            stack.callback(self._uncommitted.close)
            stack.callback(self._source.close)
            left = self._uncommitted.waiting
            if self._restored and not self._commit(now, at_once=True) and left:
                event(logger, logging.WARNING, "events were left unstored", source=self._source.name, events=left)

    def _restore(self, now: Instant) -> bool:
        """Tell the source where it stood. It must not look before that, or it would begin at the wrong place."""
        try:
            checkpoint = self._uncommitted.restore()
        except StoreError as error:
            self._store_failed(error, now)
            return False
        self._source.restore(checkpoint)
        self._restored = True
        if self._refused:
            self._store_worked()
        return True

    def _look(self, began: Instant) -> Reading | None:
        """Look once; None if there is nothing to look at."""
        try:
            reading = self._source.read(began)
        except Unavailable as absence:
            self._absent(str(absence))
            return None
        finally:
            self._observe(self._clock.now().monotonic - began.monotonic)
        self._present()
        self._was_there = True
        events = tuple(event_without_secrets(item, self._clean) for item in reading.events)
        reading = replace(reading, events=events)
        self._uncommitted.add(reading, began)
        return reading

    def _publish(self, reading: Reading, began: Instant) -> None:
        """Show the reading, after its events can be seen: "read to the end" must not be known before what was read."""
        awaited = self._awaited(reading, began)
        self._board.publish(self._source.name, reading, began)
        if awaited:
            self._on_events()

    def _awaited(self, reading: Reading, began: Instant) -> bool:
        """Whether the evaluator waits for a log that has been read to its end, as was not known at this moment."""
        urgent = self._board.urgent_logs()
        ends = [log for log in reading.logs if log.offset >= log.size and log.path in urgent]
        known = (self._board.log(log.path) for log in ends)
        return any(seen is None or seen.drained_at != began.monotonic for seen in known)

    def _absent(self, reason: str) -> None:
        self._board.unavailable(self._source.name, reason)
        self._board.withdraw(self._source.name)
        if reason != self._unavailable:
            self._unavailable = reason
            level = logging.WARNING if self._was_there else logging.DEBUG  # `run` begins with what is not there
            event(logger, level, "a source is not available", source=self._source.name, reason=reason)

    def _present(self) -> None:
        if self._unavailable is not None:
            self._unavailable = None
            self._board.unavailable(self._source.name, None)
            event(logger, logging.INFO, "a source is available again", source=self._source.name)

    def _commit(self, now: Instant, *, at_once: bool = False) -> bool:
        """Commit if anything is due; False if the store refuses."""
        due_in = self._uncommitted.due_in(now)
        if due_in is None or (due_in > 0 and not at_once):
            return True
        try:
            events = self._uncommitted.commit()
        except StoreError as error:
            self._store_failed(error, now)
            return False
        self._store_worked()
        if events:
            self._on_events()
            if isinstance(self._source, Consuming):
                self._source.committed()
        return True

    def _store_failed(self, error: StoreError, now: Instant) -> None:
        if not self._refused:
            event(logger, logging.ERROR, "the store refuses", source=self._source.name, reason=str(error))
        self._refused = True
        self._board.store_failed(str(error), now, full=isinstance(error, StoreFull))

    def _store_worked(self) -> None:
        self._board.store_worked()
        if self._refused:
            self._refused = False
            self._board.hold_unstored(self._source.name, ())
            event(logger, logging.INFO, "the store works again", source=self._source.name)

    def _show_refused(self) -> None:
        """Let the evaluator see what it cannot find in the store."""
        events = self._uncommitted.events
        self._board.hold_unstored(self._source.name, events)
        if events:
            self._on_events()

    def _following(self, reading: Reading, began: Instant) -> Next:
        """The next planned look, or sooner if the source or a commit wants it."""
        now = self._clock.now()
        waits = [self._plan(began, now) - now.monotonic]
        if reading.again_in is not None:
            waits.append(reading.again_in)
        if self._refused:
            waits.append(STORE_RETRY)
        elif (due_in := self._uncommitted.due_in(now)) is not None:
            waits.append(due_in)
        return Next(max(min(waits), 0.0), reading.watch)

    def _plan(self, began: Instant, now: Instant) -> float:
        """When the next regular look is: one interval after this one was planned, or at once if that has passed."""
        planned = began.monotonic if self._planned_at is None else self._planned_at
        if began.monotonic >= planned:
            planned = max(planned + self._source.interval, now.monotonic)
        self._planned_at = planned
        return planned
