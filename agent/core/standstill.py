"""What GPUs and processes show of a job that makes no step: whether it hangs, how soon that is sure, and how. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.core import text
from agent.core.clock import MINUTE, SECOND
from agent.core.gpu import GpuReading
from agent.core.gpu_pace import GpuPace, Pattern
from agent.core.pace import Pace, usual
from agent.core.sightings import Stuck

LASTING = 2 * MINUTE
"""How long GPUs or a process must show it: as long as the kernel's own search for hung tasks waits."""
WORTH_TELLING = 30 * SECOND
"""How long GPUs must show it to be spoken of where the silence is too long anyway."""
UNUSUAL = 2
"""Times the usual gap between two steps, from which a silence is more than a slow step."""


NO_GPUS = GpuPace()


@dataclass(frozen=True, slots=True)
class Standstill:
    """All that is seen of one job besides its log."""

    gpus: GpuPace = NO_GPUS
    stuck: tuple[Stuck, ...] = ()
    working: bool = False
    """Whether a process on a GPU that the others wait for does something else, such as writing a checkpoint."""


NOTHING_SEEN = Standstill()


def shortest(past: Pace, *, steady: bool) -> int:
    """The shortest silence that may be a hang: in steady training, longer than any that this job has shown."""
    return max(UNUSUAL * usual(past.gaps), past.settled) if steady else LASTING


def hang_at(seen: Standstill, past: Pace, since: int, *, steady: bool) -> int | None:
    """When a silence that began at `since` becomes a hang by what is seen; None where that tells of none.

    What GPUs show counts in steady training only (`steady`): an evaluation or a checkpoint makes ranks wait as well. A
    process that the kernel does not let run is a hang whatever the job does.
    """
    began = [item.since for item in seen.stuck]
    gpus = seen.gpus
    uneven = gpus.pattern is Pattern.UNEVEN and not seen.working
    if steady and gpus.since is not None and (gpus.pattern is Pattern.SPINNING or uneven):
        began.append(gpus.since)
    return max(min(began) + LASTING, since + shortest(past, steady=steady)) if began else None


def sentences(seen: Standstill, now: int) -> str:
    """What is seen, in words; empty where that is nothing."""
    return " ".join(filter(None, (_gpus(seen.gpus, now), _stuck(_lasting(seen, now), now))))


def advice(seen: Standstill, now: int) -> str | None:
    """What to look at first; None where nothing seen points anywhere."""
    stuck = _lasting(seen, now)
    if stuck:
        where = stuck[0].mount
        return f"Look at the storage behind {where}." if where else "Look at the storage that these processes wait for."
    return _ADVICE[seen.gpus.pattern] if seen.gpus.pattern is not None and _lasts(seen.gpus, now) else None


def _gpus(gpus: GpuPace, now: int) -> str:
    if gpus.since is None or not _lasts(gpus, now):
        return ""
    lasting = text.duration(now - gpus.since)
    share = f"at {gpus.share or 0:.0%} of the usual power"
    every = f"All {gpus.gpus} GPUs have" if gpus.gpus > 1 else "Its GPU has"
    if gpus.pattern is Pattern.SPINNING:
        return f"{every} been fully busy {share} for {lasting}: a collective operation hangs."
    if gpus.pattern is Pattern.UNEVEN:
        named = ", ".join(map(_named, gpus.waited_for))
        idle, it = (f"GPU {named} has", "it") if len(gpus.waited_for) == 1 else (f"GPUs {named} have", "those")
        return f"{idle} been idle for {lasting} while the others were fully busy {share}: they wait for {it}."
    return f"{every} been idle for {lasting}: the job waits for data, storage or a lock."


def _lasting(seen: Standstill, now: int) -> list[Stuck]:
    """The threads that have waited for long enough to speak of it, the longest first."""
    return sorted((item for item in seen.stuck if now - item.since >= WORTH_TELLING), key=lambda item: item.since)


def _lasts(gpus: GpuPace, now: int) -> bool:
    """Whether the GPUs have shown a pattern for long enough to speak of it."""
    return gpus.pattern is not None and gpus.since is not None and now - gpus.since >= WORTH_TELLING


def _named(reading: GpuReading) -> str:
    """A GPU with the process on it, if it is the only one."""
    pids = [process.pid for process in reading.processes or ()]
    return f"{reading.gpu.index} (pid {pids[0]})" if len(pids) == 1 else str(reading.gpu.index)


def _stuck(stuck: Sequence[Stuck], now: int) -> str:
    if not stuck:
        return ""
    first = stuck[0]
    others = len({item.pid for item in stuck}) - 1
    more = f", and {others} more {'process' if others == 1 else 'processes'} too" if others else ""
    where = f" on {first.mount}" if first.mount else ""
    waits = f" (in {first.waits_in})" if first.waits_in else ""
    blocked = text.duration(now - first.since)
    return f"Process {first.pid} ({first.name}) has been blocked in the kernel for {blocked}{where}{waits}{more}."


_ADVICE = {
    Pattern.SPINNING: "Look for the rank that is missing, on other nodes too: `py-spy dump --pid PID` shows it.",
    Pattern.UNEVEN: "Look at the rank on the GPU that is unlike the others: `py-spy dump --pid PID` shows where it is.",
    Pattern.IDLE: "Look at the data loader and the storage: `py-spy dump --pid PID` shows what the program waits for.",
}
