"""The metrics page, judged by Prometheus's own tool."""

import shutil
import subprocess

import pytest

from tests.runtime.test_metrics import Setting, full

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (package prometheus)"),
]


def test_promtool_has_nothing_to_say_about_the_page() -> None:
    page, _ = full(Setting()).metrics.page()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
