"""One round of the tailer: a log that is appended to, rotated, truncated, deleted and replaced while it is followed.

Every error that was written must be found, once. What no program could find is not asked for: before text is destroyed
that no copy holds, the log is read; and a file made or emptied since the last look is not renamed before the next.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from tests.sources.logs.watching import Watch, append, oom

STEPS = 30
# Numbered, since one text written over another that ends like it cannot be told from it.
FILLERS = (
    "step {n} without numbers\n", " 7%|7       | {n}/100 [00:04<03:16,  2.00s/it]\r", "x{n}" * 10_000 + "\n",
    "{n}\n\n\n", "█{n}" * 3_000 + "\r", "\x1b[31m{n}\x1b[0m" * 500 + "\n", "\b{n}" * 300 + "\n",
    "{n} words without end", "\ufffd\x00{n}\x00\n",
)  # fmt: skip


class _Round:
    """One log, the agent that follows it, and what it must find."""

    def __init__(self, random: Random, folder: Path) -> None:
        self.random = random
        self.folder = folder
        self.log = folder / "train.log"
        self.log.touch()
        self.watch = Watch(folder / "*.log")
        self.written: list[int] = []
        self.fresh = True
        """Whether the file was made or emptied and not looked at since, so that nothing but its name leads to it."""

    def write(self) -> None:
        """Append an error between other text, in one or two writes."""
        number = len(self.written) + 1
        before, behind = (filler.replace("{n}", str(number)) for filler in self.random.choices(FILLERS, k=2))
        text = f"{before}\n{oom(number)}{behind}"
        cut = self.random.randrange(len(text))
        append(self.log, text[:cut])
        if self.random.random() < 0.3:
            self.watch.look(self.random.choice((0.0, 0.3, 1.0)))
        append(self.log, text[cut:])
        self.written.append(number)

    def look(self) -> None:
        """Let some time pass."""
        self.watch.look(self.random.choice((0.0, 0.2, 0.6, 2.0, 10.0, 70.0)))

    def kill(self) -> None:
        """End the agent at once, and start it again."""
        self.watch.kill()

    def rotate(self) -> None:
        """Rename the log and begin a new one."""
        if self.fresh:
            self._settled()
        self._shift()
        self.log.rename(self._rotated(1))
        self.log.touch()
        self.fresh = True

    def copytruncate(self) -> None:
        """Copy the log and truncate it."""
        self._settled()
        self._shift()
        shutil.copy(self.log, self._rotated(1))
        os.truncate(self.log, 0)
        self.fresh = True

    def truncate(self) -> None:
        """Begin the log again in place."""
        self._settled()
        os.truncate(self.log, 0)
        self.fresh = True

    def leave_nuls(self) -> None:
        """Truncate under a writer that goes on where it was."""
        self._settled()
        size = self.log.stat().st_size
        os.truncate(self.log, 0)
        os.truncate(self.log, size)
        self.fresh = True

    def delete(self) -> None:
        """Delete the log, and make another of its name."""
        self._settled()
        self.log.unlink()
        self.log.touch()
        self.fresh = True

    def replace(self) -> None:
        """Put another file in its place."""
        self._settled()
        other = self.folder / "other"
        other.touch()
        other.replace(self.log)
        self.fresh = True

    def _rotated(self, number: int) -> Path:
        return self.folder / f"train.log.{number}"

    def _shift(self) -> None:
        for number in range(8, 0, -1):
            if self._rotated(number).exists():
                self._rotated(number).rename(self._rotated(number + 1))

    def _settled(self) -> None:
        self.watch.settle()
        self.fresh = False


ACTS: Mapping[Callable[[_Round], None], int] = {
    _Round.write: 40, _Round.look: 25, _Round.kill: 6, _Round.rotate: 8, _Round.copytruncate: 5, _Round.truncate: 4,
    _Round.leave_nuls: 4, _Round.delete: 4, _Round.replace: 4,
}  # fmt: skip
"""What is done to a log, and how often."""


def play(random: Random, folder: Path) -> None:
    """Do what people and tools do to logs, in any order, and compare what was written with what was found."""
    this = _Round(random, folder)
    try:
        acts = random.choices(list(ACTS), list(ACTS.values()), k=STEPS)
        for act in acts:
            act(this)
        this.watch.settle()
        found = sorted(this.watch.tried)
        assert found == this.written, f"{found} after {[act.__name__ for act in acts]}"
    finally:
        this.watch.close()
