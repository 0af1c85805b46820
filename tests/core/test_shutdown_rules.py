"""When a node that is to go down is told of, and from when on that explains everything else."""

import pytest

from agent.core.clock import DAY, HOUR, MINUTE
from agent.core.conditions import MISSING
from agent.core.model import Sample, Severity
from agent.core.shutdown_rules import SAMPLE, look
from tests.core.values import NOW

TOLD, CLOSING = Severity.WARNING, Severity.INFO


def judged(ahead, mode="reboot"):
    return list(look([Sample(SAMPLE, (NOW + ahead) / 1000, {"mode": mode})], "n1", NOW))


@pytest.mark.parametrize(
    ("ahead", "told", "closing"),
    [
        (DAY, TOLD, None),
        (5 * MINUTE + 1_000, TOLD, None),
        (5 * MINUTE, TOLD, CLOSING),
        (0, TOLD, CLOSING),
        (-29 * MINUTE, TOLD, CLOSING),
        (-30 * MINUTE, None, None),
    ],
)
def test_it_is_told_at_once_and_explains_the_rest_in_the_last_minutes(ahead, told, closing):
    assert [seen.observed for seen in judged(ahead)] == [told, closing]


def test_nothing_scheduled_is_well_and_nothing_seen_is_unknown():
    assert [seen.observed for seen in look([Sample(SAMPLE, 0.0, {"mode": ""})], "n1", NOW)] == [None, None]
    assert [seen.observed for seen in look([], "n1", NOW)] == [MISSING, MISSING]


@pytest.mark.parametrize(
    ("mode", "title", "does"),
    [
        ("reboot", "A reboot of the node is scheduled", "The node reboots at 2026-09-21 15:13 UTC."),
        ("kexec", "A reboot of the node is scheduled", "The node reboots at"),
        ("soft-reboot", "A restart of all programs of the node is scheduled", "The node restarts all of"),
        ("poweroff", "A power-off of the node is scheduled", "The node is powered off at"),
        ("halt", "A halt of the node is scheduled", "The node is halted at"),
        ("something new", "A shutdown of the node is scheduled", "The node goes down at"),
    ],
)
def test_it_says_what_happens_and_when(mode, title, does):
    condition = judged(HOUR, mode)[0].condition
    assert condition.title == title
    assert condition.message.startswith(does)
