"""What Hugging Face's Trainer and LLaMA-Factory write beside a log for programs to read: `trainer_log.jsonl` and
`trainer_state.json`, in the folder of the log or where the log says that checkpoints go.

They fill in what the log does not show, or shows late: standard output may be held back for long. Little of a file is
read, from file systems in reach only and only if it is the log's owner's; whatever is wrong with one costs the log
nothing, and is counted.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from agent.core.clock import SECOND, Instant
from agent.core.facts import Progress
from agent.core.patterns import merge
from agent.core.ports import LogReading
from agent.core.progress import same
from agent.sources.mounts import Reach

LOOK_EVERY = 10.0
"""Seconds between two looks at the side files of one log."""
REST_FOR = 3_600.0
"""Seconds without change after which side files are looked at no more until the log grows."""
KEPT = 1_000
"""Logs whose side files are remembered."""
END_WITHIN = 60 * SECOND
"""How much later than a finished log one of its side files may have been written, in milliseconds."""
RUN_WITHIN = 86_400 * SECOND
"""How much earlier than the last line of a finished log, whose beginning is not known."""
HEAD, TAIL = 4_096, 32_768
"""Bytes read at the beginning and the end of a file; `trainer_state.json` may have hundreds of megabytes."""

LOG_NAME, STATE_NAME = "trainer_log.jsonl", "trainer_state.json"
_WRITERS = frozenset({None, "transformers", "llama-factory", "trl", "axolotl", "unsloth", "ms-swift", "deepspeed"})
"""Frameworks whose logs may have such files beside them; None: not known."""
# Keys are sorted, so that the counters of the whole stand before the history of the losses, or behind it.
_TOP = r'^  "{}": (-?\d[\d.eE+-]{{0,30}})'
_EPOCH, _STEP, _TOTAL = (
    re.compile(_TOP.format(key), re.MULTILINE) for key in ("epoch", "global_step", "max_steps")
)
_LOSS = re.compile(r'^      "loss": "?([-+\w.]{1,40})', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Span:
    """When a run may have written, UTC milliseconds, and who."""

    since: int
    until: int
    uid: int


@dataclass(slots=True)
class _Known:
    """What is known of the side files of one log. `due`, `moved`: monotonic seconds; `changed_at`: milliseconds."""

    due: float
    moved: float
    side: Progress | None = None
    changed_at: int | None = None


class SideFiles:
    """The side files of the logs that are followed. `failures`: looks that found something unreadable."""

    def __init__(self, reach: Reach) -> None:
        self.failures = 0
        self._reach = reach
        self._known: dict[str, _Known] = {}

    def join(self, reading: LogReading, output: str | None, now: Instant) -> LogReading:
        """A reading with what its side files add. `output`: the folder that the log names last, if it names one."""
        if reading.progress is None or reading.progress.framework not in _WRITERS:
            return reading
        known = self._known.pop(reading.file, None) or _Known(now.monotonic, now.monotonic)
        self._known[reading.file] = known
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        if now.monotonic >= known.due and self._may_have_changed(known, reading, now):
            self._look(known, reading, output, now)
        progress = joined(reading.progress, known.side)
        if same(progress, reading.progress):
            return reading
        changed_at = max(reading.progress_at or 0, known.changed_at or 0) or None
        return replace(reading, progress=progress, progress_at=changed_at)

    def read(self, log: str, output: str | None, span: Span) -> Progress | None:
        """Read the first side file that a run wrote; None if there is none."""
        for path in candidates(log, output):
            try:
                found = self._read(path, span)
            except (OSError, ValueError):
                self.failures += 1
                continue
            if found is not None:
                return found
        return None

    def _may_have_changed(self, known: _Known, reading: LogReading, now: Instant) -> bool:
        grown = reading.grown_at is not None and now.wall - reading.grown_at < 2 * LOOK_EVERY * SECOND
        return grown or (known.side is not None and now.monotonic - known.moved < REST_FOR)

    def _look(self, known: _Known, reading: LogReading, output: str | None, now: Instant) -> None:
        known.due = now.monotonic + LOOK_EVERY
        try:
            uid = os.stat(reading.path).st_uid  # noqa: PTH116 - a text already
            first_seen = int(reading.file.rpartition(":")[2])
        except (OSError, ValueError):
            return
        side = self.read(reading.path, output, Span(first_seen, now.wall + END_WITHIN, uid))
        if side is not None and not same(side, known.side):
            known.side, known.moved = side, now.monotonic
            known.changed_at = now.wall

    def _read(self, path: str, span: Span) -> Progress | None:
        if not self._reach.file(path):
            return None
        try:
            # Not blocking: any name may be a FIFO.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            written = status.st_mtime_ns // 1_000_000
            if not stat.S_ISREG(status.st_mode) or status.st_uid != span.uid or not span.since <= written <= span.until:
                return None
            tail = os.pread(descriptor, TAIL, max(0, status.st_size - TAIL)).decode("utf-8", "replace")
            if path.endswith(LOG_NAME):
                return last_of_log(tail)
            return state(os.pread(descriptor, HEAD, 0).decode("utf-8", "replace"), tail)
        finally:
            os.close(descriptor)


def of_finished(shown: Progress, log: str, output: str | None) -> Progress:
    """What a finished log shows, with what its side files add."""
    if shown.framework not in _WRITERS:
        return shown
    try:
        status = os.stat(log)  # noqa: PTH116 - a text already
    except OSError:
        return shown
    ended = status.st_mtime_ns // 1_000_000
    span = Span(ended - RUN_WITHIN, ended + END_WITHIN, status.st_uid)
    return joined(shown, SideFiles(Reach()).read(os.path.abspath(log), output, span))  # noqa: PTH100 - no link is followed


def joined(shown: Progress, side: Progress | None) -> Progress:
    """What the log shows, with a side file's numbers where those are as new, or where the log has none."""
    if side is None or (shown.total is not None and side.total is not None and shown.total != side.total):
        return shown
    newer = side.step is not None and (shown.step is None or side.step >= shown.step)
    first, second = (side, shown) if newer else (shown, side)
    return Progress(
        step=first.step,
        total=first.total if first.total is not None else second.total,
        epoch=first.epoch if first.epoch is not None else second.epoch,
        loss=first.loss if first.loss is not None else second.loss,
        throughput=shown.throughput,
        framework=side.framework if shown.framework in (None, "transformers") else shown.framework,
    )


def candidates(log: str, output: str | None) -> Iterator[str]:
    """Where side files may be, the most telling first. A folder that is not absolute is taken from that of the log."""
    home = PurePosixPath(log).parent
    named = home / output if output else home
    parent = named.parent if named.name.startswith("checkpoint-") else named
    folders = tuple(dict.fromkeys((parent, home)))
    yield from (str(folder / LOG_NAME) for folder in folders)
    yield from (str(folder / STATE_NAME) for folder in dict.fromkeys((named, *folders)))


def last_of_log(tail: str) -> Progress | None:
    """The last numbers in the end of a `trainer_log.jsonl`, whose first line may be cut. Evaluations have no loss."""
    found: Progress | None = None
    for line in tail.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        step, total = (told.get("current_steps"), told.get("total_steps")) if isinstance(told, dict) else (None, None)
        if isinstance(step, int):
            new = Progress(
                step=step,
                total=total if isinstance(total, int) else None,
                epoch=_number(told.get("epoch")),
                loss=_number(told.get("loss")),
                framework="llama-factory",
            )
            found = merge(found, new)
    return found


def state(head: str, tail: str) -> Progress | None:
    """The numbers in the beginning and the end of a `trainer_state.json`."""
    step = _STEP.search(head)
    if step is None:
        return None
    epoch, total, losses = _EPOCH.search(head), _TOTAL.search(tail), _LOSS.findall(tail)
    return Progress(
        step=int(step[1]),
        total=int(total[1]) if total is not None and int(total[1]) > 0 else None,
        epoch=_number(epoch[1]) if epoch is not None else None,
        loss=_number(losses[-1]) if losses else None,
        framework="transformers",
    )


def _number(value: object) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(str(value))
    except ValueError:
        return None
