"""A shutdown or reboot of the node that is scheduled, as systemd-logind writes it down: one small file, or none.

`shutdown +10`, `shutdown 14:00` and `systemctl --when` end up there. What begins at once is not: the agent is stopped
by it like everything else. Without systemd, as in most containers, nothing is ever scheduled.
"""

from collections.abc import Mapping
from pathlib import Path

from agent.core.clock import Instant
from agent.core.model import Json, Sample
from agent.core.ports import Reading, Unavailable
from agent.core.shutdown_rules import SAMPLE

SCHEDULED = Path("/run/systemd/shutdown/scheduled")
"""`USEC=` microseconds since 1970, `MODE=` reboot, poweroff, halt, kexec or soft-reboot, and more, a line each."""
INTERVAL = 10.0
"""Seconds: the shortest notice that `shutdown` gives is a minute."""
_READ_AT_MOST = 8_192
"""Characters: the message to the users that logind takes is 4 KiB long at most."""
_DIGITS = 17
"""More are no time, but what logind writes for "never"."""


class ShutdownSource:
    """Implements `core.ports.Source`."""

    name = "shutdown"
    interval = INTERVAL

    def __init__(self, path: Path = SCHEDULED) -> None:
        self._path = path

    def restore(self, checkpoint: Mapping[str, Json]) -> None:
        """Nothing is kept: the file says all."""

    def read(self, now: Instant) -> Reading:  # noqa: ARG002 - every source has one shape
        """Look for the file. Raises Unavailable if it says something else than it should."""
        try:
            with self._path.open(encoding="utf-8", errors="replace") as file:
                lines = file.read(_READ_AT_MOST).splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return Reading(samples=(Sample(SAMPLE, 0.0, {"mode": ""}),))
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        at = values.get("USEC", "")
        if not (at.isascii() and at.isdigit() and len(at) <= _DIGITS):
            raise Unavailable(f"{self._path} names no time (USEC=): whatever it announces is not told")
        return Reading(samples=(Sample(SAMPLE, int(at) / 1e6, {"mode": values.get("MODE", "")}),))

    def close(self) -> None:
        """Nothing is held."""
