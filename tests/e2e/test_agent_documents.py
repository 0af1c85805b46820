"""What the documents show is what the agent prints: the README's script is run for real, the blocks are compared."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.agent import until

ROOT = Path(__file__).parents[2]


def block(page, language, beginning=""):
    """The one block of a page in this language that begins so."""
    fence = re.compile(rf"^```{language}\n({re.escape(beginning)}.*?)^```$", re.MULTILINE | re.DOTALL)
    (found,) = fence.findall((ROOT / page).read_text())
    return found


def alike(text):
    """The text without what differs from run to run: times, ids, folders, and the order of what happened at once."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+Z)?", "TIME", text)
    text = re.sub(r"times are \S+\.", "times are ZONE.", text)
    text = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ALERT", text)
    text = re.sub(r"job-[0-9a-f]{12}", "JOB", text)
    text = re.sub(r'"[^"]*/train\.py"', '"TRAIN"', text)
    return re.sub(r"Duration    \d+s", "Duration    SECONDS", text).strip()


@pytest.fixture
def agent(agents):
    agent = agents("")
    agent.start()
    script = agent.folder / "train.py"
    script.write_text(block("README.md", "python"))
    agent.run("exec", "--log", agent.folder / "run.log", "--", sys.executable, script, check=False)
    until(lambda: "Training failed" in agent.log.read_text(), "the alert on the terminal")
    until(lambda: len(agent.history()) == 3, "the history")
    return agent


def test_the_documents_show_what_the_agent_prints(agent):
    alert = block("README.md", "text", "─")
    printed = [part for part in re.split(r"^(?=─)", agent.log.read_text(), flags=re.MULTILINE) if part.startswith("─")]
    assert any(alike(part).startswith(alike(alert)) for part in printed), printed
    failed = next(item for item in agent.history() if item["type"] == "job_failed")
    assert alike(agent.run("explain", failed["id"]).stdout) == alike(block("docs/alerts.md", "text", "Training failed"))
    shown, told = agent.run("history").stdout, block("docs/alerts.md", "text", "BEGAN")
    assert sorted(alike(shown).splitlines()) == sorted(alike(told).splitlines())
