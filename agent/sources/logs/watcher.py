"""The log source: which logs there are, what they tell, and how far they have been read.

Looks at logs that grow once a second and at others every two seconds, by their size alone; only what was added is
read. Decides nothing about jobs.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import tzinfo

from agent.core.clock import Instant
from agent.core.codec import decode
from agent.core.model import Json, Sample
from agent.core.ports import Reading, WantedLog
from agent.sources.logs.finder import Finder
from agent.sources.logs.following import Following
from agent.sources.logs.log import RESTING_EVERY
from agent.sources.logs.rules import rules
from agent.sources.logs.saved import Saved
from agent.sources.logs.settings import Config
from agent.sources.mounts import Reach

__all__ = ["Config", "LogSource"]

BEGAN = "began"
"""Key of the checkpoint that tells that this is not the very first start, even if no log was there then."""


class LogSource:
    """Implements `core.ports.Source`.

    `wanted` gives logs to follow besides those of the configuration; `urgent` those whose last words are awaited, to
    be looked at now; `ring` wakes the worker and may be called from any thread. `zone`: in which logs write times
    without an offset; None for the system's. `reach`: what may be looked at; default: local file systems.
    """

    interval = RESTING_EVERY

    def __init__(
        self,
        config: Config,
        *,
        wanted: Callable[[], Collection[WantedLog]],
        urgent: Callable[[], Collection[str]],
        ring: Callable[[], None],
        zone: tzinfo | None = None,
        reach: Reach | None = None,
        name: str = "logs",
    ) -> None:
        self.name = name
        reach = reach if reach is not None else Reach()
        own = (item.built() for item in config.signatures)
        own_progress = (item.built() for item in config.progress)
        self._rules = rules(own, own_progress, max_line=config.max_line, zone=zone)
        self._following = Following(self._rules, reach)
        self._finder = Finder(config.paths, ring, reach)
        self._ask_wanted = wanted
        self._ask_urgent = urgent
        self._at_end = config.start == "end"
        self._wanted: frozenset[WantedLog] = frozenset()
        self._followed: frozenset[str] = frozenset()
        self._first = True
        self._restored: Mapping[str, Saved] = {}

    @property
    def engine(self) -> str:
        """What searches the logs: `vectorscan`, or `re` where that cannot be loaded."""
        return self._rules.engine.name

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Paths that are there but cannot be read, with the reason."""
        return dict(self._following.unreadable)

    @property
    def trouble(self) -> str | None:
        """Why new files may be seen only at the next rescan; None if all is well."""
        return self._finder.doorbell.trouble

    @property
    def cut(self) -> tuple[str, ...]:
        """Patterns that name more files than can be followed."""
        return self._finder.cut

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Continue where the checkpoint says; an empty one means the very first start."""
        self._first = not checkpoint
        self._restored = {file: decode(Saved, saved) for file, saved in checkpoint.items() if file != BEGAN}

    def read(self, now: Instant) -> Reading:
        """Look at every log that is due."""
        if self._restored:
            self._following.restore(self._restored, now)
            self._restored = {}
        self._choose(now)
        events, logs = self._following.look(now, self._ask_urgent(), at_end=self._first and self._at_end)
        checkpoint = self._following.checkpoint(now)
        if self._first:
            self._first = False
            checkpoint[BEGAN] = now.wall
        again_in = min(self._following.due_in(now), self._finder.due_in(now))
        unreadable = dict(self._following.unreadable)
        return Reading(
            self._samples(), tuple(events), checkpoint, tuple(logs), again_in, unreadable=unreadable,
            dropped=self._dropped(),
        )  # fmt: skip

    def close(self) -> None:
        """Let go of files and watches."""
        self._finder.close()
        self._following.close()

    def _dropped(self) -> tuple[str, ...]:
        """Paths that led to a followed log at the last look, and do no more."""
        before = self._followed
        self._followed = frozenset(log.path for log in self._following.logs.values())
        return tuple(sorted(before - self._followed))

    def _choose(self, now: Instant) -> None:
        """Bring the paths up to date if anything may have changed them."""
        wanted = frozenset(self._ask_wanted())
        if self._finder.rescan(now, self._folders) or wanted != self._wanted:
            self._wanted = wanted
            self._following.choose(self._finder.names, wanted)

    def _folders(self) -> list[str]:
        paths = {log.path for log in self._following.logs.values()} | {item.path for item in self._wanted}
        return sorted({path.rpartition("/")[0] or "/" for path in paths})

    def _samples(self) -> tuple[Sample, ...]:
        following = self._following
        suppressed = following.suppressed + sum(log.suppressed for log in following.logs.values())
        return (
            Sample("log_bytes_total", following.bytes),
            Sample("log_files", len(following.logs)),
            Sample("log_lag_bytes", following.lag),
            Sample("log_files_unreadable", len(following.unreadable)),
            Sample("log_findings_suppressed_total", suppressed),
            Sample("log_side_files_failed_total", following.sides.failures),
        )
