"""Progress of real logs: what each labelled excerpt shows last, however its bytes arrive."""

import json
import math
from pathlib import Path

import pytest

from agent.sources.logs.recogniser import Place
from agent.sources.logs.rules import rules
from agent.sources.logs.scanner import LogScanner

SNIPPETS = Path(__file__).parents[2].parent / "shared" / "reference" / "log-snippets.jsonl"
RULES = rules()

pytestmark = pytest.mark.skipif(not SNIPPETS.exists(), reason=f"{SNIPPETS.name} is not beside the project")


def labelled():
    lines = SNIPPETS.read_text().splitlines() if SNIPPETS.exists() else []
    return [row for row in map(json.loads, lines) if row.get("progress")]


def shown(text, piece):
    scanner = LogScanner(RULES, "train.log", "file", Place(0, 0, b""))
    data = text.encode()
    for begin in range(0, len(data), piece):
        scanner.feed(data[begin : begin + piece])
    scanner.settle(blocks=True)
    progress = scanner.progress
    if progress is None:
        return {"step": None, "total": None, "loss": None}
    loss = progress.loss if progress.loss is not None and math.isfinite(progress.loss) else None
    return {"step": progress.step, "total": progress.total, "loss": loss}


def exact(rows, piece):
    return [row["id"] for row in rows if shown(row["text"], piece) != row["progress"]]


@pytest.mark.parametrize("piece", [1, 7, 64, 4096, 1 << 20])
def test_step_total_and_loss_are_exact_in_nearly_all(piece):
    rows = labelled()
    wrong = exact(rows, piece)

    assert len(rows) == 40
    assert len(wrong) <= 0.05 * len(rows), wrong
    assert not [row["id"] for row in rows if row["label"] == "progress" and row["id"] in wrong]
