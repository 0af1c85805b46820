"""What speaks for a run being a job, besides its processes: the GPU that it holds, the progress that its log shows."""

from collections.abc import Callable, Sequence

from agent.core.clock import SECOND, Instant
from agent.core.taking import Evidence
from agent.sources.processes.holdings import Pid
from agent.sources.processes.scene import Run, Scene

Progress = Callable[[str], int | None]
"""When the log at a path last showed a new step, UTC milliseconds; None where it shows none."""


class Witness:
    """Remembers since when runs hold GPUs, and write their logs."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._gpu_since: dict[Pid, float] = {}
        self._writers: dict[str, tuple[Pid, int]] = {}
        """By path: the run that was the last to open it, and since when that is known, UTC milliseconds."""

    def note(self, runs: Sequence[Run], now: Instant) -> None:
        """Take in one look at all runs, in the order of their starts."""
        held = [run.leader for run in runs if any(member.gpu for member in run.tree.members)]
        self._gpu_since = {leader: self._gpu_since.get(leader, now.monotonic) for leader in held}
        writers = {path: run.leader for run in runs for path in run.paths}
        known = {path: since for path, (leader, since) in self._writers.items() if writers.get(path) == leader}
        self._writers = {path: (leader, known.get(path, now.wall)) for path, leader in writers.items()}

    def evidence(self, run: Run, scene: Scene) -> Evidence:
        """What is known of a run."""
        name, since = scene.names.get(run.leader[0]), self._gpu_since.get(run.leader)
        return Evidence(
            declared=None if name is None else f"described as {name} in [[jobs.job]]",
            known=run.leader in scene.known,
            gpu_held=None if since is None else round((scene.at.monotonic - since) * SECOND),
            progress_in=next((path for path in run.paths if self._shows_progress(path, run)), None),
        )

    def _shows_progress(self, path: str, run: Run) -> bool:
        """Whether a log has shown progress since this run is its writer: of several it is the one started last."""
        leader, since = self._writers[path]
        moved_at = self._progress(path) if leader == run.leader else None
        return moved_at is not None and moved_at >= since
