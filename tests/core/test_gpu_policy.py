"""What the user may change about the GPU rules, and that their page tells each of them."""

import re
from pathlib import Path

import pytest

from agent.core import gpu_policy
from agent.core.gpu_judges import JUDGES
from agent.core.gpu_policy import NAMES, policy
from agent.core.gpu_rule import Wish
from agent.core.gpu_rules import RULES
from agent.core.model import Severity

PAGE = (Path(__file__).parents[2] / "docs" / "gpus.md").read_text()


def adjusted(name, **wish):
    own = policy({name: Wish(**wish)}, {}, None, "boot-1", watched=True)
    return {**own.rules, **own.driver_rules, "xid": own.xid_rule}[name]


def test_every_rule_judges_and_stands_on_the_page_with_its_unit_and_type():
    cells = (line.strip("| \n").split(" | ") for line in PAGE.splitlines() if line.startswith("| `"))
    rows = {row[0].strip("`"): row[2:4] for row in cells}
    typed = {name: kind.partition(",")[0].strip("`") for name, (kind, _) in rows.items() if name != "xid"}

    assert JUDGES.keys() == RULES.keys()
    assert {name: unit.strip("| ") for name, (_, unit) in rows.items()} == {
        name: rule.unit or "" for name, rule in NAMES.items()
    }
    assert typed == {name: rule.type for name, rule in NAMES.items() if name != "xid"}


def test_what_the_user_says_replaces_what_is_built_in_and_nothing_else():
    own = adjusted("temperature", threshold=85.0, for_ms=1_000, severity=Severity.CRITICAL)

    assert (own.threshold, own.clear, own.for_ms, own.severity) == (85.0, 83.0, 1_000, Severity.CRITICAL)
    assert (own.title, own.keep_ms, own.enabled) == ("GPU is hot", RULES["temperature"].keep_ms, True)
    assert gpu_policy.GpuPolicy().rules == RULES


def test_who_names_a_severity_for_a_rule_that_is_off_turns_it_on():
    assert adjusted("gpu_memory_high", severity=Severity.WARNING).enabled
    assert not adjusted("gpu_memory_high", threshold=0.9).enabled
    assert not adjusted("gpu_memory_high", severity=Severity.WARNING, enabled=False).enabled
    assert not adjusted("driver_lost", enabled=False).enabled


@pytest.mark.parametrize(
    ("name", "wish", "text"),
    [
        ("gpu_lost", {"threshold": 1.0}, "found a threshold for rule 'gpu_lost', expected none"),
        ("temperature", {"clear": 95.0}, "found clear 95 for rule 'temperature', expected at most its threshold, 90"),
        ("gpu_idle_in_job", {"clear": 0.01}, "expected at least its threshold, 0.05"),
    ],
)
def test_wishes_without_sense_are_refused(name, wish, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        adjusted(name, **wish)
