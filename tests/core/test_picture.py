"""Which picture belongs to an alert."""

import math
from dataclasses import replace

import pytest

from agent.core import chart_sample, picture, samples
from agent.core.chart import TEXT_LIMIT, Chart, Series, cleaned
from agent.core.clock import MINUTE
from agent.core.codec import decode, encode
from agent.core.curve import Point
from agent.core.gpu import MemoryPoint
from agent.core.job import Incident, Job
from agent.core.memory_chart import picture as memory_picture
from agent.core.model import Alert, AlertType, NotificationKind, Severity, Status
from agent.core.post_mortem import Autopsy

GIB = 1 << 30
START = 1_790_000_000_000
CURVE = [Point(step, START + step * MINUTE, 2.0 / step) for step in range(1, 10)]
MEMORY = Chart("Memory of GPU 3", "minutes before the error", "GiB", (Series("pid 7", ((-1.0, 3.0), (0.0, 9.0))),))
LINES = ("GPU memory over 1m 00s, of 80.0 GiB:", "pid 7 ▁▂")


def failed(at=START + 60 * MINUTE, evidence=("CUDA out of memory.", *LINES), kind=AlertType.JOB_FAILED):
    return Alert(
        "a", kind, "f", Status.EVENT, Severity.CRITICAL, "Training failed", "", at, evidence=evidence, job_id="job-1"
    )


def job(autopsy=None):
    made = Job("job-1", (), "llama", START)
    return made if autopsy is None else replace(made, incident=Incident(START, None, (), (), autopsy=autopsy))


def test_an_out_of_memory_error_shows_the_memory():
    assert picture.before(failed(), job(Autopsy(chart=LINES, memory=MEMORY)), CURVE) == MEMORY


def test_an_alert_about_something_else_does_not_show_the_memory_of_an_earlier_error():
    chart = picture.before(failed(evidence=("ValueError",)), job(Autopsy(chart=LINES, memory=MEMORY)), CURVE)
    assert chart.title == "Loss of llama"


def test_the_loss_is_shown_up_to_the_alert():
    chart = picture.before(failed(at=START + 5 * MINUTE), job(), CURVE)
    assert chart.series == (Series("loss", ((1.0, 2.0), (2.0, 1.0), (3.0, 2 / 3), (4.0, 0.5), (5.0, 0.4))),)
    assert (chart.event, chart.limit) == (5.0, None)


def test_a_loss_that_is_no_number_is_where_the_line_ends():
    lost = [*CURVE, Point(10, START + 10 * MINUTE, math.nan), Point(11, START + 11 * MINUTE, math.inf)]
    chart = picture.before(failed(), job(), lost)
    assert (chart.series[0].points[-1][0], chart.event) == (9.0, 11.0)


@pytest.mark.parametrize("curve", [[], CURVE[:2], [Point(n, START + n) for n in range(9)]])
def test_too_few_points_are_no_curve(curve):
    assert picture.before(failed(), job(), curve) is None


@pytest.mark.parametrize(
    ("kind", "about", "wanted"),
    [
        (NotificationKind.FIRED, AlertType.JOB_FAILED, True),
        (NotificationKind.ESCALATED, AlertType.TIMEOUT_WARNING, True),
        (NotificationKind.RESOLVED, AlertType.TIMEOUT_WARNING, False),
        (NotificationKind.REPEATED, AlertType.LOSS_ANOMALY, False),
        (NotificationKind.DIGEST, AlertType.JOB_FAILED, False),
        (NotificationKind.FIRED, AlertType.JOB_STARTED, False),
        (NotificationKind.FIRED, AlertType.DISK_WARNING, False),
    ],
)
def test_news_about_runs_are_shown_with_a_picture(kind, about, wanted):
    assert picture.pictured(failed(kind=about), kind) is wanted


def test_the_memory_is_drawn_as_the_text_shows_it():
    points = [MemoryPoint(START + n * MINUTE, 0, {7: n * GIB, 9: GIB}) for n in range(11)]
    chart = memory_picture(points, 80 * GIB, frozenset({7}), {9: "vllm"}, "Memory of GPU 3")

    assert [one.name for one in chart.series] == ["pid 7 (this job)", "pid 9 vllm"]
    first, second = (one.points for one in chart.series)
    assert (first[0], first[-1]) == ((-10.0, 0.0), (0.0, 10.0))
    assert {y for _, y in second} == {1.0}
    assert len(first) == 60
    assert (chart.event, chart.limit) == (0.0, 80.0)
    assert decode(Chart, encode(chart)) == chart


def test_one_look_is_no_course():
    assert memory_picture([MemoryPoint(START, 0, {7: GIB})], 80 * GIB, frozenset(), {}, "x") is None


def test_texts_are_cleaned_for_eyes_outside():
    chart = Chart("a\x1b[31m\nb secret " + "x" * 100, "step", "loss", (Series("secret\u202e", ((0.0, 0.0),)),))
    shown = cleaned(chart, lambda text: text.replace("secret", "***"))
    assert shown.title.startswith("a b *** xxx") and len(shown.title) == TEXT_LIMIT
    assert shown.series[0].name == "***"


@pytest.mark.parametrize("kind", AlertType)
def test_samples_have_pictures_like_real_ones(kind):
    chart = chart_sample.of(kind, samples.JOB)
    reports = {AlertType.DAILY_SUMMARY, AlertType.WEEKLY_DIGEST}
    assert (chart is not None) == (kind in picture.ABOUT_A_RUN | reports)
    evidence = samples.full(kind, "n1", START).evidence
    if any(line.startswith("GPU memory over") for line in evidence):
        for one in chart.series:
            (line,) = [line for line in evidence if line.startswith(one.name)]
            assert line.endswith(f" {one.points[-1][1]:.1f} GiB")
