"""What the picture of a report shows."""

import math

import pytest

from agent.core import report_chart
from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.disk_past import Room
from agent.core.gpu_usage import Usage

START = 1_790_000_000_000 - 1_790_000_000_000 % HOUR


def usage(held, busy, seen=2 * 3_600):
    return Usage(seen, held, 3_600, busy)


def looks(*used):
    return [(percent, Room(START + place * HOUR, 0, 0)) for place, percent in enumerate(used)]


def test_gpus_are_counted_on_average_over_each_hour():
    hours = {START + place * HOUR: usage(3_600, 1_800) for place in range(3)}
    chart = report_chart.chart((START, START + 3 * HOUR), hours, {"/data": looks(1, 2, 3)})
    assert (chart.title, chart.x_label, chart.limit) == ("GPUs held and used", "hours", 2.0)
    held, used = chart.series
    assert held.points == ((0.0, 1.0), (1.0, 1.0), (2.0, 1.0))
    assert used.points == ((0.0, 0.5), (1.0, 0.5), (2.0, 0.5))


def test_where_nobody_looked_there_is_a_gap():
    hours = {START + place * HOUR: usage(3_600, 1_800) for place in (0, 1, 3)}
    hours[START + 4 * HOUR] = Usage(3_600, 3_600)  # held, and nothing is known of its use
    held, used = report_chart.chart((START, START + 5 * HOUR), hours, {}).series
    assert [math.isnan(y) for _, y in held.points] == [False, False, True, False, False]
    assert [math.isnan(y) for _, y in used.points] == [False, False, True, False, True]


def test_a_long_period_is_counted_in_days_and_one_may_begin_within_an_hour():
    hours = {START + place * HOUR: usage(3_600, 0) for place in range(7 * 24)}
    chart = report_chart.chart((START + 30 * MINUTE, START + 7 * DAY), hours, {})
    assert chart.x_label == "days"
    assert [x for x, _ in chart.series[0].points[:3]] == pytest.approx([0, 0.5 / 24, 1.5 / 24])


def test_without_gpus_the_fullest_disks_are_shown():
    disks = {"/data": looks(50, 51, 52), "/": looks(91, 92, 93), "/new": looks(99), "/a": looks(1, 1, 1),
             "/b": looks(2, 2, 2)}  # fmt: skip
    chart = report_chart.chart((START, START + 3 * HOUR), {}, disks)
    assert [one.name for one in chart.series] == ["/", "/data", "/b"]
    assert chart.series[0].points == ((0.0, 91), (1.0, 92), (2.0, 93))


def test_two_hours_are_no_course():
    hours = {START: usage(1, 1), START + HOUR: usage(1, 1)}
    assert report_chart.chart((START, START + DAY), hours, {"/": looks(1, 2)}) is None


def test_the_period_is_that_of_the_report():
    report = {"starts_at": "2026-03-28T23:00:00Z", "ends_at": "2026-03-29T22:00:00Z"}
    begin, end = report_chart.span(report)
    assert (end - begin, begin) == (23 * HOUR, 1_774_738_800_000)
