"""Draws a chart as a small PNG, in a process of its own, so that this one never loads what draws.

A picture is an addition: whatever goes wrong costs the picture alone, and a few seconds at most.
"""

import json
import logging
import subprocess
from dataclasses import asdict
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from agent.channels.shared import children
from agent.core.chart import Chart

CHILD = "agent.channels.shared.drawing_child"
LIBRARY = "matplotlib"
"""What the extra `gpuwarden[charts]` installs."""
PATIENCE = 5.0
"""Seconds: as long as a message waits for its picture."""
MOST_BYTES = 60_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"

_log = logging.getLogger(__name__)


def available() -> bool:
    """Whether pictures can be drawn on this machine; imports nothing."""
    return find_spec(LIBRARY) is not None


def draw(chart: Chart) -> bytes | None:
    """Draw it; None where that fails, takes too long or gives too much."""
    order = json.dumps(asdict(chart)).encode()
    try:
        # a folder of its own for the library's notes, which a process that is ended would leave behind
        with TemporaryDirectory(prefix="gpuwarden-chart-", ignore_cleanup_errors=True) as folder:
            done = children.run(CHILD, order, PATIENCE, {"MPLCONFIGDIR": folder})
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("a picture was not drawn: %s", type(error).__name__)
        return None
    if done.returncode == 0 and done.stdout.startswith(SIGNATURE) and len(done.stdout) <= MOST_BYTES:
        return done.stdout
    _log.warning("a picture was not drawn: status %d, %d bytes", done.returncode, len(done.stdout))
    return None
