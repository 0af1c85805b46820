"""What a checkpoint keeps of a log: plain values that the store can hold."""

from dataclasses import dataclass

from agent.core.facts import Activity, Progress
from agent.core.runs import Run


@dataclass(frozen=True, slots=True)
class Saved:
    """Where one log stands.

    `path` is as it is watched, `at` the name that led to the file last, `tail` a digest of the bytes before `offset`,
    `line` the offset at which the line begins that `offset` lies in. `copied`: the file is a rotation's copy.
    """

    path: str
    at: str
    inode: str
    copied: bool
    offset: int
    line: int
    tail: str
    run: Run
    progress: Progress | None = None
    progress_at: int | None = None
    activity: Activity | None = None
    activity_at: int | None = None
    added_at: int | None = None
    output: str | None = None
    """The folder that the log names last as the one where checkpoints go."""
