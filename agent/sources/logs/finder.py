"""Which paths are logs now: the files that the user's patterns name, kept up to date by doorbell and timer.

Knows names only; what they lead to is `following`'s business.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from agent.core.clock import Instant
from agent.core.log_names import COMPRESSED
from agent.sources.doorbell import Doorbell
from agent.sources.logs.globs import Walk, fixed_folder
from agent.sources.mounts import Reach

RESCAN_EVERY = 10.0
"""Seconds between two expansions of the patterns, whatever the doorbell says."""
RESCAN_PAUSE = 0.5
"""Seconds between two expansions that the doorbell asks for: a folder may be busy."""
LOGS_AT_MOST = 20_000


class Finder:
    """The files named by patterns. `cut`: patterns that name more than can be followed."""

    def __init__(self, patterns: Sequence[str], ring: Callable[[], None], reach: Reach) -> None:
        self.names: frozenset[str] = frozenset()
        self.cut: tuple[str, ...] = ()
        self.doorbell = Doorbell(self._rung)
        self._patterns = patterns
        self._reach = reach
        self._ring = ring
        self._asked = True
        self._scanned_at: float | None = None

    def rescan(self, now: Instant, folders: Callable[[], Sequence[str]]) -> bool:
        """Expand the patterns if that is due; whether it was. `folders`: gives those of followed logs."""
        if self.due_in(now) > 0:
            return False
        self._asked = False  # before the walk, so that what rings meanwhile is not lost
        self._scanned_at = now.monotonic
        self._reach.renew()
        walks = [Walk(pattern, self._reach) for pattern in self._patterns]
        names = [name for walk in walks for name in walk.files if not name.endswith(COMPRESSED)]
        found = frozenset(names[:LOGS_AT_MOST])
        self.names = found if found != self.names else self.names  # the same texts as those of the followed logs
        over = len(names) > LOGS_AT_MOST
        self.cut = tuple(pattern for pattern, walk in zip(self._patterns, walks, strict=True) if walk.cut or over)
        listed = (folder for walk in walks for folder in walk.folders)
        fixed = (self._existing(fixed_folder(pattern)) for pattern in self._patterns)
        wanted = [folder for folder in dict.fromkeys((*fixed, *folders(), *listed)) if self._reach.folder(folder)]
        watched = [self.doorbell.watch(folder) for folder in wanted]
        if any(watched):
            self._asked = True  # a file may have come between the walk and the watch
        return True

    def due_in(self, now: Instant) -> float:
        """Seconds until the patterns are to be expanded again; 0 if now."""
        if self._scanned_at is None:
            return 0.0
        wait = RESCAN_PAUSE if self._asked else RESCAN_EVERY
        return max(0.0, self._scanned_at + wait - now.monotonic)

    def close(self) -> None:
        """Stop watching."""
        self.doorbell.close()

    def _existing(self, folder: str) -> str:
        """The folder, or the nearest one above it that is there and in reach."""
        path = Path(folder)
        above = (place for place in (path, *path.parents) if self._reach.folder(str(place)) and place.is_dir())
        return str(next(above, "/"))

    def _rung(self) -> None:
        self._asked = True
        self._ring()
