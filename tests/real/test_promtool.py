"""The metrics page, and the scrape and rules that the documents suggest, judged by Prometheus's own tool."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.test_metrics import Setting, full

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (package prometheus)"),
]

ROOT = Path(__file__).parents[2]


def test_promtool_has_nothing_to_say_about_the_page() -> None:
    page, _ = full(Setting()).metrics.page()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def blocks_of(page: str, language: str) -> dict[str, str]:
    """The blocks whose first line names a file: {"prometheus.yml": "..."}."""
    text = (ROOT / "docs" / page).read_text()
    return dict(re.findall(rf"^```{language}\n# (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """A folder with the files that docs/metrics.md shows."""
    files = blocks_of("metrics.md", "yaml")
    assert files.keys() == {"prometheus.yml", "gpuwarden.rules.yml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_promtool_accepts_the_documented_scrape_and_rules(documented: Path) -> None:
    command = ["promtool", "check", "config", "prometheus.yml"]
    done = subprocess.run(command, cwd=documented, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 rules found" in done.stdout + done.stderr


def test_the_documented_rules_fire(documented: Path) -> None:
    """A stall of 31 minutes and a dead letter are told; what is well is not."""
    (documented / "test.yml").write_text(RULES_TEST)
    command = ["promtool", "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=documented, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


RULES_TEST = """\
rule_files: [gpuwarden.rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'gpuwarden_training_job_last_progress_timestamp_seconds{training_job="job-1"}', values: '0x60'}
      - {series: 'gpuwarden_dead_letters{channel="ops"}', values: '0x10 1x50'}
      - {series: 'gpuwarden_store_up', values: '1x60'}
    alert_rule_test:
      - {eval_time: 20m, alertname: TrainingStalled, exp_alerts: []}
      - eval_time: 40m
        alertname: TrainingStalled
        exp_alerts:
          - exp_labels: {training_job: job-1, severity: warning}
            exp_annotations: {summary: job-1 has made no progress for half an hour}
      - eval_time: 30m
        alertname: GpuwardenDeadLetters
        exp_alerts:
          - exp_labels: {channel: ops, severity: warning}
            exp_annotations: {summary: "Messages for ops were given up: see gpuwarden queue list"}
      - {eval_time: 30m, alertname: GpuwardenStoreDown, exp_alerts: []}
"""
