"""What a process is by its command line: a launcher of training, training itself, or something else. Pure.

Nothing but names comes out of here: of a command line only the name of the script and of the model may be told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from agent.core.programs import PYTHON, Command, Kind, entries, model_flags, take_apart, words_of

SCRIPTS = (".py", ".sh", ".bash", ".ipynb", ".jl", ".pl", ".r", ".lua")
"""Endings by which the script is found among a launcher's arguments."""
RUN_MODULES = ("python", "ipython", "torchrun", "accelerate", "deepspeed")
"""Programs that take the name of a module after `-m`."""
NAME_AT_MOST = 100
"""Characters kept of a program's name."""

_MODEL = re.compile(r"[A-Za-z0-9][\w.+-]{0,79}")
_SNAPSHOT = re.compile(r"models--[^/]+?--([^/]+)")
"""A folder of the Hugging Face cache, which names the model above a digest."""
_DIGEST = re.compile(r"[A-Za-z0-9]{24}")
"""No name of a model runs on like this; keys and digests do."""
_STEP = re.compile(r"\[(\d{1,19})\.(\d{1,9})\]")
"""How slurmstepd calls itself: job and step. A batch step and others that are no run have words instead."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program by its command line. `name` is for people: the script's, never with an argument."""

    kind: Kind
    name: str
    why: str | None = None
    """What it is, where that is no training: "a notebook"."""
    launcher: str | None = None
    """The file name or module of a launcher."""
    model: str | None = None
    framework: str | None = None
    group: str | None = None
    """Names the run to which everything that it starts belongs."""


def recognise(argv: Sequence[str]) -> Program:
    """Say what a process is by its command line, as `/proc/PID/cmdline` shows it; empty arguments may be there."""
    words = words_of(argv)
    if not words:
        return Program(Kind.OTHER, "?")
    command = take_apart(words)
    entry = next((item for item in entries() if item.fits(command)), None)
    name = _shown(command, words)
    if entry is None:
        return _unlisted(command, name, words)
    if entry.kind is Kind.RUNNER:
        return Program(Kind.TRAINER, script_name(words)[:NAME_AT_MOST], model=model(words))
    if entry.kind is Kind.LAUNCHER:
        own = command.module or name
        script = script_name(words)
        shown = own if PYTHON.fullmatch(script) or script == command.name else script
        return Program(entry.kind, shown[:NAME_AT_MOST], None, own, model(words), entry.framework)
    trains = entry.kind is Kind.TRAINER
    return Program(
        entry.kind, name, entry.why, None, model(words) if trains else None, entry.framework, _slurm_group(words)
    )


def script_name(command: Sequence[str]) -> str:
    """Name what is run, without its arguments, in which secrets may be: `python train.py --key k` is `train.py`."""
    program = PurePath(command[0]).name
    for before, word in pairwise(command):
        if before == "-c":
            break
        if before == "-m" and program.startswith(RUN_MODULES) and not _starts_others(word):
            return word
        if word.lower().endswith(SCRIPTS) and not word.startswith("-") and "=" not in word:
            return PurePath(word).name
    return program


def model(argv: Sequence[str]) -> str | None:
    """The model that a well-known argument names: the last part of its name or path, and nothing that may be a key."""
    flags = model_flags()
    for before, word in pairwise(("", *argv)):
        flag, equals, value = word.partition("=")
        given = value if equals and flag in flags else word if before in flags else None
        if given is not None and not given.startswith("-"):
            return _model_name(given)
    return None


def _shown(command: Command, words: Sequence[str]) -> str:
    """The name for people."""
    if command.path is not None and PurePath(command.path).name == "__main__.py":
        return PurePath(command.path).parent.name[:NAME_AT_MOST] or "__main__.py"
    name = command.module or command.name or PurePath(words[0]).name
    return name[:NAME_AT_MOST]


def _unlisted(command: Command, name: str, words: Sequence[str]) -> Program:
    if not command.python:
        return Program(Kind.OTHER, name)
    if command.code is not None:
        return Program(Kind.ASIDE, name, "a command given to Python as text")
    if command.module is None and command.path is None:
        return Program(Kind.ASIDE, name, "an interactive interpreter")
    return Program(Kind.TRAINER, name, model=model(words))


def _slurm_group(words: Sequence[str]) -> str | None:
    found = _STEP.search(" ".join(words)) if words[0].startswith("slurmstepd") else None
    return f"slurm:{found[1]}:{found[2]}" if found else None


def _starts_others(module: str) -> bool:
    """Whether a module only starts the script named after it."""
    return any(item.kind in (Kind.LAUNCHER, Kind.RUNNER) and item.modules.fullmatch(module) for item in entries())


def _model_name(given: str) -> str | None:
    cached = _SNAPSHOT.search(given)
    name = cached[1] if cached else given.rstrip("/").rpartition("/")[2]
    if _MODEL.fullmatch(name) is None or _DIGEST.search(name) or name.startswith("checkpoint"):
        return None
    return name
