"""The layers that settings are made of, and which of them gave each key.

A layer is a nested table as read, before validation. Later layers win, key by key; lists are replaced whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.config.errors import Problem
from agent.config.lines import KeyPath, line_of
from agent.core.model import Json


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one key's value comes from."""

    layer: str
    """`default`, `managed`, `file`, `environment` or `command line`."""
    file: Path | None = None
    line: int | None = None
    variable: str | None = None
    """The environment variable, or the option."""

    def __str__(self) -> str:
        if self.file is not None:
            return str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return self.layer if self.variable is None else f"{self.layer} {self.variable}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of keys: nested tables, and what is needed to say where each key stands."""

    name: str
    values: Mapping[str, Json] = field(default_factory=dict)
    file: Path | None = None
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    variables: Mapping[KeyPath, str] = field(default_factory=dict)

    def origin(self, path: KeyPath) -> Origin:
        """Say where this layer sets `path`, or else the nearest table around it; of a table, its first variable."""
        around = (name for key, name in self.variables.items() if path[: len(key)] == key)
        within = (name for key, name in self.variables.items() if key[: len(path)] == path)
        variable = next(around, None) or next(within, None)
        return Origin(self.name, self.file, line_of(self.lines, path), variable)

    def has(self, path: KeyPath) -> bool:
        """Whether this layer sets `path`, or something below it."""
        value: Json = self.values
        try:
            for part in path:
                value = value[part]
        except (LookupError, TypeError):  # no such key or index; no table where one was looked for
            return False
        return True


def dotted(path: KeyPath) -> str:
    """Write a key path as a person would: `channels.ops.url`, `jobs.job[0].log`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def problem_at(layers: Sequence[Layer], path: KeyPath, message: str) -> Problem:
    """Put a place to a fault; layers come lowest first. The place of a key that is missing is its nearest table."""
    around = (path[:length] for length in range(len(path), 0, -1))
    origins = (layer.origin(path) for table in around for layer in reversed(layers) if layer.has(table))
    origin = next(origins, Origin("default"))
    return Problem(message, dotted(path), origin.file, origin.line, origin.variable)
