"""What is wrong with a configuration, said so that its owner can put it right. Standard library only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: what was found, what was expected, and where. Never holds the value of a secret."""

    message: str
    key: str | None = None
    """Dotted key path, for example `sources.disk.interval`."""
    file: Path | None = None
    line: int | None = None
    """Counted from 1; None where it is not known for sure."""
    variable: str | None = None
    """The environment variable or option that gave the value, where no file did."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self._place(), self.key, self.message) if part)

    def _place(self) -> str | None:
        if self.file is None:
            return self.variable
        return str(self.file) if self.line is None else f"{self.file}:{self.line}"


class ConfigError(Exception):
    """The user's configuration cannot be used; holds every problem found, so that all can be mended at once.

    Commands end with exit code 2 on it. A bare text becomes one problem without a place.
    """

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(item) if isinstance(item, str) else item for item in problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def suggestion(word: str, known: Sequence[str]) -> str:
    """Say what may have been meant, or what there is: `did you mean "x"?`, `expected one of x, y`."""
    import difflib  # deferred: only mistakes need it

    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    if len(known) == 1:
        return f'expected "{known[0]}"'
    return f"expected one of {', '.join(known)}" if known else "expected nothing here"


def kind_of(value: object) -> str:
    """Name the kind of a value without showing it, except for the keys of a table."""
    if isinstance(value, Mapping):
        return f"a table with the keys {', '.join(map(str, value))}" if value else "an empty table"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "another value")


_KINDS = ((bool, "true or false"), ((int, float), "a number"), (str, "a text"), (list, "a list"))
