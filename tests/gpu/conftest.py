"""Tests on a real GPU: each needs an NVIDIA driver, and a Python with PyTorch, which the agent itself never needs.

`TORCH_PYTHON` names that interpreter; otherwise this one is tried, and then the system's.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import agents, hook  # noqa: F401 - the same fixtures

PROGRAMS = Path(__file__).parent / "programs"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def gpus():
    """What `nvidia-smi` says of every GPU: (index, uuid, name)."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        pytest.skip("needs an NVIDIA GPU (nvidia-smi)")
    query = [smi, "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=60)
    if done.returncode != 0 or not done.stdout.strip():
        pytest.skip(f"needs an NVIDIA GPU: {done.stdout.strip() or done.stderr.strip()}")
    return [tuple(word.strip() for word in line.split(",")) for line in done.stdout.splitlines()]


@pytest.fixture(scope="session")
def program(gpus):
    """Makes the command that runs one of the programs beside this file."""
    test = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    for python in filter(None, (os.environ.get("TORCH_PYTHON"), sys.executable, shutil.which("python3"))):
        if subprocess.run([python, "-c", test], capture_output=True, timeout=120).returncode == 0:
            return lambda name: (python, str(PROGRAMS / name))
    pytest.skip("needs a Python with PyTorch for CUDA (TORCH_PYTHON names one)")
