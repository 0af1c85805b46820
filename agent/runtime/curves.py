"""The curves of running jobs: extended by each look, thinned when they grow, and stored now and then."""

from collections.abc import Mapping

from agent.core.clock import MINUTE
from agent.core.curve import CURVE_POINTS, Point, thin
from agent.core.job import Job
from agent.runtime.changes import Changes

CURVES_SAVED_EVERY = 5 * MINUTE
"""How often the curves of running jobs are stored: each is rewritten whole, and only a picture is made of it."""


class Curves:
    """Every running job's points, by the job's id. `now`: UTC milliseconds."""

    def __init__(self, stored: Mapping[str, list[Point]], now: int) -> None:
        self._points = dict(stored)
        self._saved_at = now

    def extend(self, job: Job) -> None:
        """Take in the job's latest step."""
        step, at = job.progress.step, job.progress_at
        points = self._points.setdefault(job.id, [])
        if step is None or at is None or (points and points[-1].step == step):
            return
        points.append(Point(step, at, job.progress.loss, job.progress.throughput))
        if len(points) >= 2 * CURVE_POINTS:  # thinning each time would cost more than the readings
            points[:] = thin(points)

    def note(self, job: Job, changes: Changes) -> None:
        """Let a job's curve be stored with the job itself; that of an ended one is let go."""
        curve = self._points.get(job.id)
        if curve:
            changes.curves[job.id] = thin(curve)
        if not job.running:
            self._points.pop(job.id, None)

    def note_all(self, changes: Changes, now: int) -> None:
        """Let all curves be stored, if that was long ago."""
        if now - self._saved_at >= CURVES_SAVED_EVERY:
            self._saved_at = now
            changes.curves |= {job: thin(points) for job, points in self._points.items() if points}
