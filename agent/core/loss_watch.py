"""Whether a job's loss is a number: how many records in a row it was not. A plain value that is kept with the job."""

import math
from dataclasses import dataclass, replace

from agent.core.facts import LogFinding
from agent.core.pace import position
from agent.core.ports import LogReading


@dataclass(frozen=True, slots=True)
class LossWatch:
    """Records in a row without a number, and where training stood at the last of them."""

    records: int = 0
    position: tuple[float, int] | None = None
    text: str = ""
    """What the log said, if it said it in words."""


WELL = LossWatch()


def follow(watch: LossWatch, reading: LogReading) -> LossWatch:
    """Take in how a log stands. The same position is the same record; a number at a later one ends it.

    A zero says nothing while the loss is broken: the Hugging Face Trainer prints one for what is no number.
    """
    progress = reading.progress
    here = position(progress) if progress is not None else None
    if progress is None or progress.loss is None or here == watch.position:
        return watch
    if not math.isfinite(progress.loss):
        return replace(watch, records=watch.records + 1, position=here)
    broken_still = watch.records > 0 and progress.loss == 0
    return replace(watch, records=watch.records + 1, position=here) if broken_still else WELL


def told(watch: LossWatch, finding: LogFinding) -> LossWatch:
    """Take in that the log showed records without a number, or said so in words."""
    records = finding.facts.get("records")
    here = position(finding.progress) if finding.progress is not None else watch.position
    known = watch.records + (watch.records > 0 and here != watch.position)
    return LossWatch(max(known, records if isinstance(records, int) else 2), here, finding.text)
