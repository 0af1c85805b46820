"""Excerpts of real logs against the verdict that a person gave them."""

import json
from collections import Counter
from pathlib import Path

import pytest

from agent import finished
from agent.core.facts import FindingKind

SNIPPETS = Path(__file__).parents[3] / "shared" / "reference" / "log-snippets.jsonl"
HEALTHY = {"none", "progress", "completed"}
RECALL = 0.95
MISSES_OF_A_KIND = 1

pytestmark = pytest.mark.skipif(not SNIPPETS.exists(), reason="the excerpts are kept beside the repository")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Each excerpt with what is found in a file that holds only it: [(snippet, findings, summary)]."""
    folder, rules = tmp_path_factory.mktemp("snippets"), finished.builtin_rules()
    return [_judged(json.loads(line), folder, rules) for line in SNIPPETS.read_text("utf-8").splitlines()]


def _judged(snippet, folder, rules):
    path = folder / f"{snippet['id']}.log"
    path.write_bytes(snippet["text"].encode())
    found = finished.scan(rules, str(path))
    return snippet, found.findings, found.summary


def test_the_reason_is_the_one_that_a_person_gave(judged):
    broken = [(item["id"], item["label"], summary["reason"]) for item, _, summary in judged if not _healthy(item)]
    missed = [case for case in broken if case[1] != case[2]]
    assert len(missed) <= (1 - RECALL) * len(broken), missed
    assert max(Counter(label for _, label, _ in missed).values(), default=0) <= MISSES_OF_A_KIND, missed


def test_nothing_is_wrong_with_a_healthy_log(judged):
    healthy = [case for case in judged if _healthy(case[0])]
    assert {item["id"]: summary["reason"] for item, _, summary in healthy if summary["reason"]} == {}
    told = [(item["id"], found) for item, findings, _ in healthy for found in findings]
    assert [(name, found["text"]) for name, found in told if found["severity"] != "info"] == []


def test_a_good_end_is_seen(judged):
    assert {summary["outcome"] for item, _, summary in judged if item["label"] == "completed"} == {"completed"}


def test_every_kind_is_there(judged):
    kinds = {kind for kind in FindingKind if kind not in (FindingKind.STARTED, FindingKind.COMPLETED)}
    assert {item["label"] for item, _, _ in judged} == kinds | HEALTHY


def _healthy(snippet):
    return snippet["label"] in HEALTHY
