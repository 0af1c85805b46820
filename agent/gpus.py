"""Looks after the child that asks the GPU driver: replaces it where only a fresh one helps, and tells where one hangs.

The child is the only process that touches the driver, so that a call that never returns keeps nobody waiting.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from agent.core.clock import Clock, Instant
from agent.core.gpu import DriverState, GpuDriver, GpuReading
from agent.core.gpu_policy import GpuPolicy, policy
from agent.core.model import Json, Sample, Severity
from agent.core.ports import Reading, Unavailable
from agent.runtime.clock import SystemClock
from agent.runtime.gpu_board import GpuBoard
from agent.runtime.health import deadline_for
from agent.runtime.isolated import START_WITHIN, ChildFailed, ChildHung, Isolated, Isolation
from agent.runtime.log import event
from agent.sources import proc
from agent.sources.gpu import library
from agent.sources.gpu.settings import Config

FACTORY = "agent.sources.gpu.source:in_child"
ENDS_WITHIN = 5.0
"""Seconds that a child has to end when asked, before it is killed."""
RENEWED_FIRST, RENEWED_AT_MOST = 1.0, 60.0
"""Seconds between two children for the sake of a library that does not fit the driver; doubled each time."""
LOOK_WHILE_PAUSED = 1.0
_log = logging.getLogger(__name__)

TIMEOUT = 10
"""The code (nvmlReturn_t) under which GPUs are shown while their driver hangs."""


class Gpus:
    """Implements `core.ports.Source` and `core.ports.Patient`."""

    name = "gpu"

    def __init__(
        self, config: Config, board: GpuBoard, clock: Clock, *, within: float | None = None, bus: str | None = None
    ) -> None:
        """`within`: seconds that a look may take; `bus`: the folder that shows PCI devices, if not the usual one."""
        self.interval = config.interval
        settings = {"interval": config.interval, "slow_interval": config.slow_interval, "bus": bus}
        within = deadline_for(config.interval) if within is None else within
        self.deadline = within + START_WITHIN + 2 * ENDS_WITHIN
        isolation = Isolation(self.name, FACTORY, settings, config.interval, within, ends_within=ENDS_WITHIN)
        self._isolated = Isolated(isolation, clock)
        self._board = board
        self._last = Reading()
        """The last look at the GPUs."""
        self._hang: str | None = None
        """Where the driver hangs, in words; None while it answers."""
        self._renew_at = float("-inf")
        self._renew_after = RENEWED_FIRST

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Hand the checkpoint to the child."""
        self._isolated.restore(checkpoint)

    def read(self, now: Instant) -> Reading:
        """Let the child look. Raises Unavailable where there is no driver, ChildFailed where the child dies."""
        if self._board.paused:
            return self._paused()
        if not self._isolated.started and not library.present():
            raise Unavailable(library.ABSENT)
        try:
            reading = self._isolated.read(now)
        except ChildHung as hung:
            return self._hung(hung.note or "the driver itself")
        except Unavailable:
            if self._hang is None:
                raise
            return self._hanging(self._hang)
        self._hang = None
        return self._answered(reading, now)

    def close(self) -> None:
        """Let the child go."""
        self._isolated.close()

    def _answered(self, reading: Reading, now: Instant) -> Reading:
        if reading.gpus is not None:
            self._tell(reading)
            self._last = reading
        if reading.driver is not None and reading.driver.state is DriverState.MISMATCH:
            self._renew(now)
        elif reading.driver is not None:
            self._renew_after = RENEWED_FIRST
        return replace(reading, samples=(*reading.samples, Sample("nvml_hang", 0)))

    def _tell(self, reading: Reading) -> None:
        """Say in the log what is watched, when that is new."""
        before = self._last.driver.generation if self._last.driver is not None else 0
        if reading.driver is not None and reading.driver.generation > before:
            names = Counter(item.gpu.name for item in reading.gpus or ())
            found = ", ".join(f"{count} x {name}" for name, count in names.items())
            event(_log, logging.INFO, "GPUs are watched", found=found or "none", driver=reading.driver.version)

    def _renew(self, now: Instant) -> None:
        """A library is never loaded twice: only a fresh child can load the one that fits the driver."""
        if now.monotonic >= self._renew_at:
            self._isolated.close()
            self._renew_at = now.monotonic + self._renew_after
            self._renew_after = min(2 * self._renew_after, RENEWED_AT_MOST)

    def _paused(self) -> Reading:
        self._isolated.close()
        self._hang = None
        return self._without_answer(DriverState.PAUSED, "let go on request, until `gpuwarden gpus resume`", ())

    def _hung(self, where: str) -> Reading:
        stuck = self._isolated.left
        waits = f"; process {stuck[-1]} waits in the kernel and cannot be ended" if stuck else ""
        self._hang = f"{where}: no answer within {self._isolated.isolation.deadline:.0f} s{waits}"
        return self._hanging(self._hang)

    def _hanging(self, words: str) -> Reading:
        gpus = tuple(GpuReading(reading.gpu, trouble=TIMEOUT) for reading in self._last.gpus or ())
        return self._without_answer(DriverState.HUNG, words, gpus)

    def _without_answer(self, state: DriverState, detail: str, gpus: tuple[GpuReading, ...]) -> Reading:
        driver = replace(self._last.driver or GpuDriver(state), state=state, detail=detail)
        hang = Sample("nvml_hang", state is DriverState.HUNG)
        return Reading(samples=(hang,), gpus=gpus, driver=driver, again_in=LOOK_WHILE_PAUSED)


class NoGpus(Exception):  # noqa: N818 - a state of the world
    """There are none to look at; the text says why."""


def look_once() -> Reading:
    """Look at all GPUs, slow values too, from a child of its own. Raises NoGpus."""
    source = Gpus(Config(), GpuBoard(), SystemClock())
    source.restore({})
    try:
        return source.read(SystemClock().now())
    except (Unavailable, ChildFailed) as reason:
        raise NoGpus(str(reason)) from None
    finally:
        source.close()


def policy_of(config: Config) -> GpuPolicy:
    """What the rules need of `[sources.gpu]`."""
    wishes = {name: table.wish() for name, table in config.rules.items()}
    xids = {number: Severity.parse(name) for number, name in config.xid.items()}
    return policy(wishes, xids, config.expected_count, proc.boot_id(), watched=config.enabled)
