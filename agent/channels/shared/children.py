"""A module of this package as a process of its own: for libraries that would double the daemon's memory.

What it is to do, which may hold secrets, comes by its standard input, and not as an argument that anybody could read.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType


def run(
    module: str, order: bytes, timeout: float, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[bytes]:
    """Run `module` with `order`; after `timeout` seconds it is ended. Raises subprocess.TimeoutExpired or OSError.

    `variables` are added to its environment.
    """
    return subprocess.run(
        [sys.executable, "-m", module], input=order, capture_output=True, timeout=timeout,
        env={**_environ(), **variables}, cwd="/", start_new_session=True, check=False,
    )  # fmt: skip


def _environ() -> dict[str, str]:
    """The environment of this process, with the place that this package was imported from."""
    root = str(Path(__file__).resolve().parents[3])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
