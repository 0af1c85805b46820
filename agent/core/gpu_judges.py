"""How single GPU rules judge: one look and the past in, what is observed and the sentence that says so out.

A rule says nothing (`MISSING`) where its numbers are not there: that is no recovery.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.conditions import MISSING, Observed
from agent.core.gpu import RECOVERY_ACTIONS, ClockReason, GpuReading
from agent.core.gpu_history import GpuHistory
from agent.core.gpu_rule import GpuRule
from agent.core.model import Severity

_WARNING, _CRITICAL = Severity.WARNING, Severity.CRITICAL
LOST, RESET_REQUIRED, NOT_READY, UNKNOWN, NOT_FOUND = 15, 16, 27, 999, 6
"""Codes with which NVML refuses a device (nvmlReturn_t)."""
OUT_OF_ORDER: Mapping[int, str] = {
    8: "has no power: its power cables are not attached",
    11: "cannot be reached: the kernel found an interrupt issue",
}
"""Other codes that are about the hardware."""
SUSPECT_LOOKS = 3
"""Looks in a row without a stated reason after which a GPU counts as lost."""
UNDER_LOAD = 0.1
REMAP_WAIT = 2 * MINUTE
"""How long an uncorrectable error may wait for its row to be remapped."""


@dataclass(frozen=True, slots=True)
class View:
    """What a rule sees of one GPU."""

    reading: GpuReading
    history: GpuHistory
    now: int
    firing: Severity | None
    """What the condition is at now."""
    in_job: bool = False
    """Whether a running job holds the GPU."""
    peers: float | None = None
    """The median utilisation of all the GPUs that its job holds, if there are several."""


Judged = tuple[Observed, str]
"""What is observed, and the sentence that says so."""
NOTHING: Judged = (None, "")
UNSEEN: Judged = (MISSING, "")
Judge = Callable[[View, GpuRule], Judged]


def _lost(view: View, _: GpuRule) -> Judged:
    code, history, bus = view.reading.trouble, view.history, view.reading.on_bus
    if code == LOST or history.lost_at is not None:
        return _CRITICAL, "fell off the bus: the driver cannot reach it any more"
    silent = code in (UNKNOWN, NOT_FOUND) and history.troubled >= SUSPECT_LOOKS
    if silent and (bus is False or (bus is None and code == NOT_FOUND)):
        return _CRITICAL, "does not answer any more and is gone from the PCI bus"
    return UNSEEN if code is not None else NOTHING


def _reset(view: View, _: GpuRule) -> Judged:
    action = view.reading.recovery_action
    if view.reading.trouble == RESET_REQUIRED:
        return _CRITICAL, "has to be reset before it can be used"
    if view.reading.trouble is not None:
        return UNSEEN
    if not action:
        return NOTHING
    words = RECOVERY_ACTIONS.get(action, f"recovery action {action}")
    return _WARNING if action == 3 else _CRITICAL, f"is in trouble; the driver asks to {words}"  # noqa: PLR2004 - field 230


def _out_of_order(view: View, _: GpuRule) -> Judged:
    code = view.reading.trouble
    if code is None:
        return NOTHING
    return (_CRITICAL, OUT_OF_ORDER[code]) if code in OUT_OF_ORDER else UNSEEN


def _silent(view: View, _: GpuRule) -> Judged:
    code = view.reading.trouble
    if code is None or code in (LOST, RESET_REQUIRED, *OUT_OF_ORDER):
        return NOTHING
    return _WARNING, f"refuses to answer (NVML code {code})"


def _margin(view: View, _: GpuRule) -> Judged:
    margin, limit = view.reading.margin, view.reading.gpu.slowdown_margin
    if margin is None or limit is None:
        return UNSEEN
    return (_CRITICAL, f"is {margin} °C from its limit; clocks are cut at {limit}") if margin < limit else NOTHING


def _temperature(view: View, rule: GpuRule) -> Judged:
    value, slowdown = view.reading.temperature, view.reading.gpu.slowdown
    if value is None or rule.threshold is None or rule.clear is None:
        return UNSEEN
    warn = rule.threshold if slowdown is None else slowdown - 3
    if slowdown is not None and value >= slowdown:
        return _CRITICAL, f"is at {value} °C; it slows down at {slowdown}"
    held = view.firing is not None and value > warn - (rule.threshold - rule.clear)
    return (_WARNING, f"is at {value} °C") if value >= warn or held else NOTHING


def _memory_temperature(view: View, rule: GpuRule) -> Judged:
    value = view.reading.memory_temperature
    limit = view.reading.gpu.memory_limit
    own = rule if rule.threshold is not None or limit is None else replace(rule, threshold=limit, clear=limit - 2)
    if value is None or own.threshold is None:
        return UNSEEN
    told = f"has memory at {value} °C; the limit is {own.threshold:g}"
    return (_WARNING, told) if own.over(value, view.firing) else NOTHING


def _clocks(bit: int, severity: Severity, words: str) -> Judge:
    def judge(view: View, rule: GpuRule) -> Judged:
        if view.reading.reasons is None:
            return UNSEEN
        if not view.reading.reasons & bit:
            return NOTHING
        held = view.history.held(words, view.now) or 0
        worse = rule.threshold is not None and held >= rule.threshold * SECOND
        return _CRITICAL if worse else severity, f"has its clocks cut ({words.replace('_', ' ')})"

    return judge


def _ecc_uncorrected(view: View, _: GpuRule) -> Judged:
    at, history = view.history.uncorrected_at, view.history
    if at is None:
        return NOTHING if view.reading.ecc else UNSEEN
    remapped = history.remapped_at is not None and history.remapped_at >= at
    waits = view.now - at < REMAP_WAIT
    failed = bool(view.reading.remapped.get("failed"))
    if not (remapped or waits or failed) and view.now - at < HOUR:
        return _CRITICAL, "has uncorrectable memory errors, and no row was remapped for them"
    if view.now - at >= HOUR:
        return NOTHING
    return _CRITICAL if failed else _WARNING, "has new uncorrectable memory errors"


def _ecc_corrected(view: View, rule: GpuRule) -> Judged:
    grown = view.history.grown("corrected_volatile", HOUR, view.now)
    if grown is None or rule.threshold is None:
        return UNSEEN
    told = f"corrected {grown:.0f} memory errors within an hour"
    return (_WARNING, told) if rule.over(grown, view.firing) else NOTHING


def _rows(name: str, severity: Severity, words: str) -> Judge:
    def judge(view: View, _: GpuRule) -> Judged:
        flag = view.reading.remapped.get(name)
        return UNSEEN if flag is None else (severity, words) if flag else NOTHING

    return judge


def _retired_pending(view: View, _: GpuRule) -> Judged:
    pending = view.reading.retired_pending
    return UNSEEN if pending is None else (_WARNING, "has memory pages that wait to be retired") if pending else NOTHING


def _retired_pages(view: View, rule: GpuRule) -> Judged:
    pages = view.reading.retired_pages
    if pages is None or rule.threshold is None:
        return UNSEEN
    return (_WARNING, f"has {pages} retired memory pages") if rule.over(pages, view.firing) else NOTHING


def _memory_high(view: View, rule: GpuRule) -> Judged:
    used, total = view.reading.memory_used, view.reading.memory_total
    if used is None or total is None:
        return UNSEEN
    share = used / max(total - (view.reading.memory_reserved or 0), 1)
    return (_WARNING, f"has {share:.0%} of its memory in use") if rule.over(share, view.firing) else NOTHING


def _orphan(view: View, rule: GpuRule) -> Judged:
    used, processes = view.reading.memory_used, view.reading.processes
    if used is None or processes is None or rule.threshold is None:
        return UNSEEN
    if any(not process.dead for process in processes) or not rule.over(used, view.firing):
        return NOTHING
    return _WARNING, f"has {used / (1 << 30):.1f} GiB in use, and no living process holds them"


def _idle(view: View, rule: GpuRule) -> Judged:
    busy = view.reading.utilization
    if not view.in_job:
        return NOTHING
    if busy is None or rule.threshold is None:
        return UNSEEN
    return (_WARNING, f"is {busy:.0%} busy while a job holds it") if rule.over(busy, view.firing) else NOTHING


def _imbalance(view: View, rule: GpuRule) -> Judged:
    busy, peers = view.reading.utilization, view.peers
    if peers is None:
        return NOTHING
    if busy is None or rule.threshold is None or peers < UNDER_LOAD:
        return UNSEEN
    behind = rule.over(busy / peers, view.firing)
    return (_WARNING, f"is {busy:.0%} busy, and the GPUs of its job are {peers:.0%} busy") if behind else NOTHING


def _links_down(view: View, _: GpuRule) -> Judged:
    links, first = view.reading.links, view.history.links
    if not links or not first:
        return UNSEEN
    down = [str(number) for number, (was, is_up) in enumerate(zip(first, links, strict=False)) if was and not is_up]
    return (_CRITICAL, f"has NVLink {', '.join(down)} down that was up before") if down else NOTHING


def _link_errors(view: View, rule: GpuRule) -> Judged:
    if not view.reading.link_errors or rule.threshold is None:
        return UNSEEN
    names = view.reading.link_errors.keys() - {"recovery"}
    grown = sum(view.history.grown(f"link_{name}", HOUR, view.now) or 0 for name in names)
    recovered = view.history.grown("link_recovery", HOUR, view.now) or 0
    if rule.over(grown, view.firing) or recovered > 0:
        return _WARNING, f"had {grown:.0f} NVLink errors and {recovered:.0f} recoveries within an hour"
    return NOTHING


def _pcie_width(view: View, _: GpuRule) -> Judged:
    width, most, busy = view.reading.pcie_width, view.reading.pcie_max_width, view.reading.utilization
    if width is None or most is None or busy is None or busy < UNDER_LOAD:
        return UNSEEN  # at rest a link may be narrow on purpose
    return (_WARNING, f"uses {width} of {most} PCIe lanes under load") if width < most else NOTHING


def _pcie_replay(view: View, rule: GpuRule) -> Judged:
    grown = view.history.grown("pcie_replays", MINUTE, view.now)
    if grown is None or rule.threshold is None:
        return UNSEEN
    told = f"repeated {grown:.0f} PCIe transfers within a minute"
    return (_WARNING, told) if rule.over(grown, view.firing) else NOTHING


def _persistence(view: View, _: GpuRule) -> Judged:
    on = view.reading.gpu.persistence
    return UNSEEN if on is None else NOTHING if on else (_WARNING, "gives its state up when nobody uses it")


JUDGES: Mapping[str, Judge] = {
    "gpu_lost": _lost,
    "gpu_reset_required": _reset,
    "gpu_trouble": _out_of_order,
    "gpu_silent": _silent,
    "thermal_margin": _margin,
    "temperature": _temperature,
    "memory_temperature": _memory_temperature,
    "hw_slowdown": _clocks(ClockReason.HW_SLOWDOWN, _WARNING, "hw_slowdown"),
    "sw_thermal": _clocks(ClockReason.SW_THERMAL, _WARNING, "sw_thermal"),
    "hw_thermal": _clocks(ClockReason.HW_THERMAL, _WARNING, "hw_thermal"),
    "power_brake": _clocks(ClockReason.POWER_BRAKE, _CRITICAL, "power_brake"),
    "ecc_uncorrected": _ecc_uncorrected,
    "ecc_corrected": _ecc_corrected,
    "remap_failed": _rows("failed", _CRITICAL, "could not remap a faulty memory row"),
    "remap_pending": _rows("pending", _WARNING, "has memory rows that wait for a reset to be remapped"),
    "retired_pending": _retired_pending,
    "retired_pages": _retired_pages,
    "gpu_memory_high": _memory_high,
    "gpu_memory_orphan": _orphan,
    "gpu_idle_in_job": _idle,
    "gpu_imbalance": _imbalance,
    "nvlink_down": _links_down,
    "nvlink_errors": _link_errors,
    "pcie_width": _pcie_width,
    "pcie_replay": _pcie_replay,
    "persistence_off": _persistence,
}
"""Every rule's judgement by the rule's name."""
