"""The environment as a layer: `GPUWARDEN_TABLE__KEY`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.config.errors import ConfigError, Problem
from agent.config.layers import Layer, dotted
from agent.config.lines import KeyPath
from agent.config.shape import Shape
from agent.core.model import Json

PREFIX = "GPUWARDEN_"
NESTING = "__"
ENVIRONMENT = "environment"
"""The name of this layer."""


def environment_layer(environ: Mapping[str, str], below: Sequence[Layer]) -> Layer:
    """Read `GPUWARDEN_TABLE__KEY` variables, as texts.

    Names are matched without regard to case, so that `GPUWARDEN_CHANNELS__OPS__URL` means the channel `ops`.
    """
    values: dict[str, Json] = {}
    variables: dict[KeyPath, str] = {}
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and NESTING in name:
            path = _spelled(name.removeprefix(PREFIX).split(NESTING), below)
            _put(values, path, text, name)
            variables[path] = name
    return Layer(ENVIRONMENT, values, variables=variables)


def typed(layer: Layer, shape: Shape) -> Layer:
    """Read texts as TOML values where the key wants no text: numbers, truth values, lists, tables of secrets."""

    def convert(value: Json, path: KeyPath) -> Json:
        if isinstance(value, Mapping):
            return {key: convert(item, (*path, key)) for key, item in value.items()}
        return _read(value, shape, path)

    return replace(layer, values=convert(layer.values, ()))


def stray_variables(environ: Mapping[str, str], tables: Sequence[str]) -> tuple[str, ...]:
    """Tell of variables that look like settings, but set nothing because they name no table and key."""
    starts = tuple(f"{PREFIX}{table.upper()}_" for table in tables)
    return tuple(
        f"the variable {name} sets nothing: table and key are joined by two underscores, "
        f"such as {PREFIX}SERVER__LISTEN"
        for name in sorted(environ)
        if name.startswith(starts) and NESTING not in name
    )


def _spelled(parts: Sequence[str], below: Sequence[Layer]) -> tuple[str, ...]:
    path: tuple[str, ...] = ()
    for part in parts:
        known = (key for layer in below for key in _table(layer, path))
        path = (*path, next((key for key in known if key.lower() == part.lower()), part.lower()))
    return path


def _table(layer: Layer, path: KeyPath) -> Mapping[str, Json]:
    value: Json = layer.values
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _put(values: dict[str, Json], path: tuple[str, ...], value: Json, name: str) -> None:
    *tables, key = path
    place: Json = values
    for table in tables:
        place = place.setdefault(table, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict) or key in place:
        message = "the environment sets this key both as a whole and in parts: expected one of them"
        raise ConfigError(Problem(message, dotted(path), variable=name))
    place[key] = value


def _read(text: str, shape: Shape, path: KeyPath) -> Json:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    if isinstance(value, (dict, list)):
        return value if shape.secret(path) or shape.takes_table(path) or shape.takes_list(path) else text
    return text if shape.takes_text(path) or isinstance(value, str) else value
