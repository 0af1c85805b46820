"""The table of programs, and command lines taken apart so that they can be looked up in it. Pure."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from functools import cache
from importlib import resources
from pathlib import PurePath

from agent.core.model import Json

PYTHON = re.compile(r"(?:i?python|pypy)\d*(?:\.\d+)*t?(?:-[\w.]+)?")
"""File names of Python interpreters."""
_WITH_VALUE = frozenset("WXQ")
"""Options of Python that take a value, besides those that end the options."""


class Kind(StrEnum):
    """What a program is to training; `programs.toml` explains each."""

    LAUNCHER = "launcher"
    RUNNER = "runner"
    CARRIER = "carrier"
    WORKER = "worker"
    ASIDE = "aside"
    TRAINER = "trainer"
    OTHER = "other"
    """Any other program: nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line taken apart. Python's own is told by what it runs; `python` is set for all of those."""

    name: str | None = None
    module: str | None = None
    path: str | None = None
    code: str | None = None
    word: str | None = None
    python: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of `programs.toml`, which explains the fields."""

    kind: Kind
    names: re.Pattern[str]
    modules: re.Pattern[str]
    paths: re.Pattern[str]
    code: tuple[str, ...]
    words: frozenset[str]
    why: str | None
    framework: str | None

    def fits(self, command: Command) -> bool:
        """Whether a command line is meant."""
        found = (
            (command.name is not None and self.names.fullmatch(command.name))
            or (command.module is not None and self.modules.fullmatch(command.module))
            or (command.path is not None and self.paths.fullmatch(command.path))
            or (command.code is not None and any(text in command.code for text in self.code))
        )
        return bool(found) and (not self.words or command.word in self.words)


def words_of(argv: Sequence[str]) -> Sequence[str]:
    """The arguments; a program that has given itself a title shows it as one text, with or without empty rest."""
    filled = [word for word in argv if word]
    if len(filled) == 1 and not filled[0].startswith("/"):
        return filled[0].split()
    return filled


def take_apart(words: Sequence[str]) -> Command:
    """See what a command line runs: a program, or what Python runs."""
    name = PurePath(words[0].lstrip("-").removesuffix(":")).name
    if not PYTHON.fullmatch(name):
        return Command(name=name, word=_first_word(words[1:]))
    rest = list(words[1:])
    while rest:
        option = rest.pop(0)
        if not option.startswith("-") or option == "-":
            path = "" if option == "-" else option
            return Command(PurePath(path).name or None, None, path or None, None, _first_word(rest), python=True)
        letters = "" if option.startswith("--") else option[1:]
        for place_, letter in enumerate(letters):
            value = letters[place_ + 1 :]
            if letter in "mc":
                value = value or (rest.pop(0) if rest else "")
                kept = {"module" if letter == "m" else "code": value}
                return Command(**kept, word=_first_word(rest), python=True)
            if letter in _WITH_VALUE:
                if not value and rest:
                    rest.pop(0)
                break
    return Command(python=True)


def _first_word(words: Iterable[str]) -> str | None:
    return next((word for word in words if not word.startswith("-")), None)


@cache
def _tables() -> Mapping[str, Json]:
    text = resources.files("agent.core").joinpath("programs.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def model_flags() -> frozenset[str]:
    """Arguments whose values name the model."""
    return frozenset(_tables()["model_flags"])


@cache
def entries() -> tuple[Entry, ...]:
    """The tables, in their order."""
    return tuple(
        Entry(
            Kind(table["kind"]), _any_of(table.get("names", ())), _any_of(table.get("modules", ())),
            _any_of(table.get("paths", ())), tuple(table.get("code", ())), frozenset(table.get("words", ())),
            table.get("why"), table.get("framework"),
        )
        for table in _tables()["program"]
    )


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns) or r"(?!)")
