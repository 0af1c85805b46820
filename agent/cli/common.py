"""What commands share: the options that say where configuration and state are, and the way to settings."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from agent.config.load import Loaded

Decorated = TypeVar("Decorated", bound=Callable[..., object])


@dataclass
class Place:
    """What the command line says about where things are; the context's object of every command."""

    config: Path | None = None
    state_dir: Path | None = None


def common_options(command: Decorated) -> Decorated:
    """Let a command take `--config` and `--state-dir`, which the group before it takes as well; the later one wins."""
    for flag, metavar, text in (
        ("--state-dir", "DIR", "Keep the agent's state there."),
        ("--config", "FILE", "Read this configuration file."),
    ):
        place = click.Path(path_type=Path, readable=False)  # others may enter the agent's directory, but not read it
        option = click.option(flag, metavar=metavar, help=text, type=place, expose_value=False, callback=_remember)
        command = option(command)
    return command


def _remember(ctx: click.Context, option: click.Parameter, value: Path | None) -> None:
    place = ctx.ensure_object(Place)
    if value is not None and option.name is not None:
        setattr(place, option.name, value)


def load_or_exit(ctx: click.Context) -> "Loaded":
    """Read the settings that this command line means; the group ends with code 2 on what it raises, ConfigError."""
    # Deferred: the settings library takes longer to import than `emit` takes to run.
    from agent.app import schema
    from agent.config.load import load

    place = ctx.ensure_object(Place)
    return load(config=place.config, state_dir=place.state_dir, environ=os.environ, schema=schema())
