"""What the picture of a sample shows: made up as the samples are, and drawn as real ones are."""

import math

from agent.core import memory_chart, report_chart
from agent.core.chart import Chart
from agent.core.clock import DAY, HOUR, SECOND
from agent.core.gpu import MemoryPoint
from agent.core.gpu_usage import Usage
from agent.core.model import AlertType
from agent.core.picture import ABOUT_A_RUN, loss

GIB = 1 << 30
TOTAL, MOST, NEIGHBOUR = 79.1, 65.8, 12.0
"""GiB, as the sample's log tells."""
STEP, STEPS = 4_200, 120
GPUS, HELD_BY_NIGHT, USED, UNSEEN = 4, 2, 0.8, 13 * HOUR


def of(alert_type: AlertType, name: str) -> Chart | None:
    """The picture of the sample of a type, about the job `name`; None for a type that has none."""
    if alert_type in (AlertType.JOB_FAILED, AlertType.GPU_OOM):
        return _memory()
    if alert_type in (AlertType.DAILY_SUMMARY, AlertType.WEEKLY_DIGEST):
        return _gpus(DAY if alert_type is AlertType.DAILY_SUMMARY else 7 * DAY)
    if alert_type not in ABOUT_A_RUN:
        return None
    steps = [STEP * place / STEPS for place in range(1, STEPS + 1)]
    return loss(name, [(step, 0.9 + 2.4 * math.exp(-step / 900) + 0.04 * math.sin(step)) for step in steps], STEP)


def _memory() -> Chart | None:
    """Ten minutes in which a job grows until a neighbour has left it nothing."""
    points = []
    for place in range(120):
        grown = MOST * min(1.0, 0.1 + place / 80)
        held = {4242: round(grown * GIB), 4711: round(NEIGHBOUR * GIB)}
        points.append(MemoryPoint(place * 5 * SECOND, sum(held.values()), held))
    names = {4242: "python3", 4711: "jupyter"}
    return memory_chart.picture(points, round(TOTAL * GIB), frozenset({4242}), names, "Memory of GPU 3")


def _gpus(length: int) -> Chart | None:
    """Four GPUs, of which not all are held by night, and an hour in which nobody looked."""
    each = HOUR // SECOND
    held = ([HELD_BY_NIGHT] * 10 + [GPUS] * 14) * (length // DAY)
    hours = {place * HOUR: Usage(GPUS * each, now * each, each, USED * now * each) for place, now in enumerate(held)}
    return report_chart.chart((0, length), {at: usage for at, usage in hours.items() if at != UNSEEN}, {})
