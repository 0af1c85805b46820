"""The tour, to its end, as a person would see it."""

import os
import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
def test_the_tour_shows_a_failure_its_history_and_its_reasons(tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "agent", "demo", "--fast"], capture_output=True, text=True, timeout=240, cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "260/400" not in done.stdout
    assert "❌ Training failed  [critical]" in done.stdout
    assert "train.py ran out of GPU memory on GPU 0 at step 259 of 400." in done.stdout
    assert "It was GPU 3 of the node (NVIDIA H100 80GB HBM3, GPU-5e1ec7ed-0003), which it counts as 0" in done.stdout
    assert "Another program, pid 4711 (jupyter), held 12.0 GiB of the GPU's memory." in done.stdout
    assert "GPU memory over" in done.stdout and "(this job) " in done.stdout and "▁" in done.stdout
    assert "give the job a GPU of its own" in done.stdout
    assert "$ gpuwarden history" in done.stdout
    assert "$ gpuwarden explain" in done.stdout
    assert "temporary files are gone" in done.stdout
    assert list(temporary.iterdir()) == []
