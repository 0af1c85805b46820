"""Short logs in the words of many frameworks, launchers and kernels, against the verdict that a person would give.

Both files hold one object a line: `text`; `label`, the kind that must be the verdict, or `none` (a trap), `progress` or
`completed`; `progress`, the step, total and loss shown last, or null where they do not matter. Most of
`excerpts_found.jsonl` was cut out of public issues (`source`), with users, hosts and paths replaced.
"""

import json
from pathlib import Path

import pytest

from agent import finished

HEALTHY = {"none", "progress", "completed"}
FILES = ["excerpts.jsonl", "excerpts_found.jsonl"]
LINES = [line for name in FILES for line in Path(__file__).with_name(name).read_text("utf-8").split("\n") if line]
EXCERPTS = [json.loads(line) for line in LINES]


@pytest.fixture(scope="module")
def rules():
    return finished.builtin_rules()


@pytest.mark.parametrize("number", range(len(EXCERPTS)), ids=lambda number: f"{EXCERPTS[number]['label']}-{number}")
def test_the_verdict_is_the_one_that_a_person_would_give(number, rules, tmp_path):
    excerpt, path = EXCERPTS[number], tmp_path / "train.log"
    path.write_bytes(excerpt["text"].encode())
    found = finished.scan(rules, str(path))
    healthy = excerpt["label"] in HEALTHY
    assert found.summary["reason"] == (None if healthy else excerpt["label"])
    if healthy:
        assert [item["text"] for item in found.findings if item["severity"] != "info"] == []
    if excerpt["label"] == "completed":
        assert found.summary["outcome"] == "completed"
    if excerpt["progress"] is not None:
        shown = {"step": "step", "total": "total_steps", "loss": "loss"}
        assert {name: found.summary[key] for name, key in shown.items()} == excerpt["progress"]
