"""What a job's GPUs draw while it trains, and for how long they have done something else. Pure.

A kernel that waits for other ranks counts as full utilisation, so utilisation alone cannot see a hang: power can. What
is usual is learned from the looks between two steps, and only once the second step has come, so that a hang teaches
nothing. Kept in memory only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median

from agent.core.clock import MINUTE
from agent.core.gpu import GpuReading
from agent.core.pace import Pace

BUSY = 0.9
"""Utilisation from which a GPU is busy, if only with waiting."""
IDLE = 0.05
"""Utilisation below which it does nothing."""
COLD = 0.6
"""Share of its own usual power below which a GPU that trains is not training."""
POWERS_KEPT = 90
"""Looks from which the usual power of a GPU is learned: a quarter of an hour at the default interval."""
POWERS_NEEDED = 6
BLIND = MINUTE
"""Without a look for so long nothing is known to have lasted."""


Powers = Mapping[str, tuple[float, ...]]
"""Watts at several looks, by UUID."""


class Pattern(StrEnum):
    """What the GPUs of a job do while it makes no step."""

    SPINNING = "spinning"
    """All are fully busy, far below their usual power: a collective operation waits for somebody."""
    IDLE = "idle"
    """All do nothing: the job waits for data, a disk, a network or a lock."""
    UNEVEN = "uneven"
    """Some do nothing while the others spin: they wait for those."""


@dataclass(frozen=True, slots=True)
class GpuPace:
    """One job's GPUs. Times are UTC milliseconds."""

    usual: Powers = field(default_factory=dict)
    """Of steady training, the last looks."""
    pending: Powers = field(default_factory=dict)
    """Since the last step; they count once the next one has come."""
    moved_at: int | None = None
    seen_at: int | None = None
    pattern: Pattern | None = None
    since: int | None = None
    """Since when the pattern has held without a break."""
    gpus: int = 0
    waited_for: tuple[GpuReading, ...] = ()
    """Those that do nothing while the others spin."""
    share: float | None = None
    """What those that spin draw, as a share of their usual power."""


def follow(past: GpuPace, pace: Pace, readings: Sequence[GpuReading], now: int) -> GpuPace:
    """Take in one look at the GPUs that a job holds. `pace`: the job's steps as they stand."""
    past = _learned(past, pace, readings)
    pattern, idle, share = _pattern(past, readings)
    blind = past.seen_at is None or not 0 <= now - past.seen_at <= BLIND
    lasts = pattern is past.pattern and not blind
    return replace(
        past, seen_at=now, pattern=pattern, since=past.since if lasts else now, gpus=len(readings), share=share,
        waited_for=idle if pattern is Pattern.UNEVEN else (),
    )  # fmt: skip


def _learned(past: GpuPace, pace: Pace, readings: Sequence[GpuReading]) -> GpuPace:
    """Count the looks between two steps as usual, if nothing but training lay between them."""
    usual, pending = past.usual, past.pending
    if pace.moved_at != past.moved_at:
        usual = usual if pace.aside or past.moved_at is None else _joined(usual, pending)
        pending = {}
    seen = {item.gpu.uuid: (item.power,) for item in readings if item.power is not None}
    pending = {} if pace.aside else _joined(pending, seen)
    return replace(past, usual=usual, pending=pending, moved_at=pace.moved_at)


def _joined(one: Powers, other: Powers) -> Powers:
    return {uuid: (*one.get(uuid, ()), *other.get(uuid, ()))[-POWERS_KEPT:] for uuid in {*one, *other}}


def _pattern(
    past: GpuPace, readings: Sequence[GpuReading]
) -> tuple[Pattern | None, tuple[GpuReading, ...], float | None]:
    """What all GPUs do, which of them do nothing, and how much of their usual power the others draw at most."""
    shares = [(item, _share(past, item)) for item in readings]
    idle = tuple(item for item, share in shares if _is_idle(item, share))
    spinning = [share for item, share in shares if share is not None and _spins(item, share)]
    if not readings or len(idle) + len(spinning) < len(readings):
        return None, (), None
    if not spinning:
        return Pattern.IDLE, idle, None
    return Pattern.UNEVEN if idle else Pattern.SPINNING, idle, max(spinning)


def _share(past: GpuPace, reading: GpuReading) -> float | None:
    """Power as a share of what is usual; None where either is not known."""
    powers = past.usual.get(reading.gpu.uuid, ())
    if reading.power is None or len(powers) < POWERS_NEEDED:
        return None
    return reading.power / max(median(powers), 1.0)


def _spins(reading: GpuReading, share: float) -> bool:
    return reading.utilization is not None and reading.utilization >= BUSY and share < COLD


def _is_idle(reading: GpuReading, share: float | None) -> bool:
    """Where the usual power is not known, utilisation alone must do."""
    return reading.utilization is not None and reading.utilization < IDLE and (share is None or share < COLD)
