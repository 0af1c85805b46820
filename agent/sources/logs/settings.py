"""`[sources.logs]`: which logs are watched, and what the user wants to be found in them."""

import os
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from agent.core import progress, signatures
from agent.core.facts import FindingKind
from agent.core.patterns import Pattern
from agent.core.signatures import Signature
from agent.core.units import parse_size
from agent.sources.logs.globs import is_pattern
from agent.sources.logs.rules import rules
from agent.sources.logs.tailer import Unreadable, look
from agent.sources.mounts import Reach

Size = Annotated[int, BeforeValidator(parse_size)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class OwnSignature(BaseModel):
    """`[[sources.logs.signatures]]`: a line of the user's own that means something, or nothing (`ignore`)."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    id: Name
    pattern: str
    kind: FindingKind = FindingKind.CRASH
    severity: Literal["info", "warning", "critical"] | None = None
    ignore: bool = False

    @model_validator(mode="after")
    def _compiles(self) -> "OwnSignature":
        self.built()
        return self

    def built(self) -> Signature:
        """The signature that is looked for. Raises ValueError that names the id and the position in the pattern."""
        table = {"id": self.id, "pattern": self.pattern, "kind": self.kind, "ignore": self.ignore}
        return signatures.from_table(table | {"severity": self.severity})


class OwnProgress(BaseModel):
    """`[[sources.logs.progress]]`: how a training script of the user's own prints its progress."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    id: Name
    pattern: str

    @model_validator(mode="after")
    def _compiles(self) -> "OwnProgress":
        self.built()
        return self

    def built(self) -> Pattern:
        """The pattern that is tried. Raises ValueError that names the id and what is wrong."""
        return progress.own(self.id, self.pattern)


class Config(BaseModel):
    """`[sources.logs]`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", validate_default=True)

    enabled: bool = True
    paths: tuple[str, ...] = ()
    discover: bool = True
    start: Literal["end", "beginning"] = "end"
    max_line: Annotated[Size, Field(ge=1_024, le=64 * 1_024)] = 8_192
    signatures: tuple[OwnSignature, ...] = ()
    progress: tuple[OwnProgress, ...] = ()

    @field_validator("paths")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(path) for path in paths)

    @model_validator(mode="after")
    def _unique(self) -> "Config":
        _each_once("signature", [item.id for item in self.signatures])
        _each_once("progress", [item.id for item in self.progress])
        return self


def _each_once(kind: str, ids: list[str]) -> None:
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"found {kind} {twice!r} twice, expected every id once")


def _checked(path: str) -> str:
    path = os.path.expanduser(path)  # noqa: PTH111 - leaves a home that nobody knows to the next line
    if not path.startswith("/"):
        raise ValueError(f"found {path!r}, expected an absolute path or pattern")
    if path.endswith("/") or "\0" in path:
        raise ValueError(f"found {path!r}, expected the path of a file, or a pattern such as /data/**/*.log")
    return re.sub(r"/{2,}", "/", path)


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong with the paths as they are on this machine now: key path and text. Patterns may name anything."""
    reach = Reach()
    for place, path in enumerate(config.paths):
        if is_pattern(path) or not reach.file(path):
            continue
        try:
            look(path)
        except Unreadable as reason:
            yield f"sources.logs.paths[{place}]", f"{path} {reason}, expected a log file"


def remarks(config: Config) -> Iterator[tuple[str, str]]:
    """What works, but not as well as it might: patterns that the scanner cannot search for."""
    unscanned = rules((item.built() for item in config.signatures), max_line=config.max_line).unscanned
    for place, item in enumerate(config.signatures):
        if item.id in unscanned:
            text = f"is tried only on lines that other signatures point to: {unscanned[item.id]}"
            yield f"sources.logs.signatures[{place}]", f"{item.id} {text}"
