"""What earlier looks at a GPU add to the present one: how counters moved, and for how long something has been so.

Kept in memory only. After a restart the waiting begins anew, which delays a warning and never invents one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from agent.core.clock import HOUR, MINUTE
from agent.core.gpu import CLOCK_REASONS, GpuReading

KEPT = HOUR + MINUTE
"""How far back counters are compared; one look a minute is kept."""
SURELY_BACK = MINUTE
"""How long after the kernel said that a GPU is lost an answer of it counts: an earlier look may still be under way."""


@dataclass(frozen=True, slots=True)
class Counted:
    """All counters of a GPU at one moment."""

    at: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GpuHistory:
    """One GPU's past. Times are UTC milliseconds."""

    counted: tuple[Counted, ...] = ()
    """The oldest first; the newest is the last look."""
    held_since: Mapping[str, int] = field(default_factory=dict)
    """Since when each reason for limited clocks has been set without a break."""
    links: tuple[bool, ...] = ()
    """The NVLinks that were up at the first look."""
    troubled: int = 0
    """Looks in a row that the device refused."""
    uncorrected_at: int | None = None
    """When uncorrectable memory errors last grew."""
    remapped_at: int | None = None
    """When rows were last remapped because of them."""
    lost_at: int | None = None
    """When the kernel said that the GPU fell off the bus; None once it answers again."""

    def grown(self, name: str, within: int, now: int) -> float | None:
        """How much a counter grew over the last milliseconds; None where it is not known for so long.

        A counter that went back began anew (the driver was loaded again): what it shows since then has grown.
        """
        values = [(item.at, item.values[name]) for item in self.counted if name in item.values]
        inside = [value for at, value in values if at >= now - within - MINUTE]
        if len(inside) < 2:  # noqa: PLR2004 - a difference needs two
            return None
        return sum(max(0.0, after - before) if after >= before else after for before, after in pairwise(inside))

    def held(self, reason: str, now: int) -> int | None:
        """For how many milliseconds a reason has been set; None if it is not."""
        since = self.held_since.get(reason)
        return None if since is None else max(0, now - since)


def follow(history: GpuHistory, reading: GpuReading, now: int) -> GpuHistory:
    """Take one look in."""
    if reading.trouble is not None:
        return replace(history, troubled=history.troubled + 1, held_since={})
    counted = _counted(history.counted, Counted(now, counters(reading)), now)
    before = history.counted[-1].values if history.counted else {}
    after = counted[-1].values
    return replace(
        history,
        counted=counted,
        held_since=_held(history.held_since, reading, now),
        links=history.links or reading.links,
        troubled=0,
        uncorrected_at=now if _grew("uncorrected_volatile", before, after) else history.uncorrected_at,
        remapped_at=now if _grew("remapped", before, after) else history.remapped_at,
        lost_at=history.lost_at if history.lost_at is not None and now - history.lost_at < SURELY_BACK else None,
    )


def counters(reading: GpuReading) -> Mapping[str, float]:
    """Everything of a reading that only grows, by name."""
    values: dict[str, float] = {**reading.ecc, **{f"link_{name}": count for name, count in reading.link_errors.items()}}
    if reading.pcie_replays is not None:
        values["pcie_replays"] = reading.pcie_replays
    if "uncorrected" in reading.remapped:
        values["remapped"] = reading.remapped["uncorrected"] + reading.remapped.get("corrected", 0)
    return values


def _counted(kept: tuple[Counted, ...], newest: Counted, now: int) -> tuple[Counted, ...]:
    """Keep the newest look and one a minute before it. After the clock was set back, what lies ahead is dropped."""
    past = [item for item in kept if now - KEPT <= item.at < now]
    if len(past) > 1 and past[-1].at - past[-2].at < MINUTE:
        past.pop()
    return (*past, newest)


def _held(before: Mapping[str, int], reading: GpuReading, now: int) -> Mapping[str, int]:
    if reading.reasons is None:
        return {}
    names = [name for bit, name in CLOCK_REASONS.items() if reading.reasons & bit]
    return {name: min(before.get(name, now), now) for name in names}


def _grew(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    return name in before and name in after and after[name] > before[name]
