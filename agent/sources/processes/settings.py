"""`[sources.processes]`, and the jobs that the user describes by their processes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agent.core.units import parse_duration
from agent.sources.mounts import Reach

Interval = Annotated[float, BeforeValidator(parse_duration), Field(ge=1, le=60, allow_inf_nan=False)]
_LINE_AT_MOST = 4_096
"""Characters of a command line in which a user's pattern is searched: whoever starts a program chooses it."""
_PID_AT_MOST = 32
"""Bytes of a file with a pid that are read."""


class Config(BaseModel):
    """`[sources.processes]`. "auto": on where there is a Linux `/proc`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", validate_default=True)

    enabled: bool | Literal["auto"] = "auto"
    interval: Interval = 5.0


@dataclass(frozen=True, slots=True)
class Described:
    """A job that the user describes: its leading process is named by a file, or found by its command line."""

    name: str
    pid_file: str | None = None
    command: str | None = None
    """A regular expression, searched in the command line with its words joined by blanks."""


class Descriptions:
    """All that the user describes."""

    def __init__(self, jobs: Sequence[Described], reach: Reach | None = None) -> None:
        self._files = [(item.pid_file, item.name) for item in jobs if item.pid_file is not None]
        self._commands = [(re.compile(item.command), item.name) for item in jobs if item.command is not None]
        self._reach = reach if reach is not None else Reach()

    def by_command(self, words: Sequence[str]) -> str | None:
        """What a process is called by its command line, if by any of them."""
        line = " ".join(words)[:_LINE_AT_MOST] if self._commands else ""
        return next((name for pattern, name in self._commands if pattern.search(line)), None)

    def by_file(self) -> dict[int, str]:
        """What the processes are called that files name now."""
        if self._files:
            self._reach.renew()
        found = ((_pid(path), name) for path, name in self._files if self._reach.file(path))
        return {pid: name for pid, name in found if pid is not None}


def _pid(path: str) -> int | None:
    """The number in a file; None where there is none."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_PID_AT_MOST).split()
    except OSError:
        return None
    return int(text[0]) if text and text[0].isdigit() else None
