"""The effective settings as a person may see them: each key with its value and its origin, secrets masked."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent.config.layers import Origin, dotted
from agent.config.lines import KeyPath
from agent.config.load import Loaded
from agent.config.shape import fields, read_by
from agent.core.model import Json
from agent.core.redact import MASK, Secret
from agent.core.units import BYTES, SECONDS, parse_duration, parse_size


@dataclass(frozen=True, slots=True)
class Row:
    """One key with its effective value, ready for JSON or TOML; None where it is not set."""

    path: KeyPath
    value: Json
    origin: Origin

    @property
    def key(self) -> str:
        """The dotted key."""
        return dotted(self.path)


def rows(loaded: Loaded) -> tuple[Row, ...]:
    """List every key there is, in the order of the tables; a table without keys is left out."""
    listed = (Row(path, value, loaded.origin(path)) for path, value in _leaves(loaded.settings, ()))
    return tuple(row for row in listed if len(row.path) > 1)


def as_toml(listed: tuple[Row, ...]) -> Iterator[str]:
    """Write rows as TOML lines with the origin behind each; a key that is not set is commented out."""
    tables: dict[KeyPath, list[Row]] = {}
    for row in listed:
        tables.setdefault(row.path[:-1], []).append(row)
    for table, inside in tables.items():
        yield _header(table)
        for row in inside:
            key = _toml_key(row.path[-1:])
            setting = f"# {key} is not set" if row.value is None else f"{key} = {_toml(row.value)}"
            yield f"{setting:<40}  # {row.origin}"
        yield ""


def as_json(listed: tuple[Row, ...]) -> Mapping[str, Json]:
    """Write rows as one object, by dotted key."""
    return {
        row.key: {
            "value": row.value,
            "layer": row.origin.layer,
            "file": str(row.origin.file) if row.origin.file else None,
            "line": row.origin.line,
            "variable": row.origin.variable,
        }
        for row in listed
    }


def _leaves(value: Json, path: KeyPath, field: FieldInfo | None = None) -> Iterator[tuple[KeyPath, Json]]:
    if isinstance(value, BaseModel):
        names = {item.alias or name: name for name, item in type(value).model_fields.items()}
        for key, item in fields(type(value)).items():
            yield from _leaves(getattr(value, names[key]), (*path, key), item)
    elif isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(value, (tuple, list)) and any(isinstance(item, BaseModel) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, _plain(value, field)


def _plain(value: Json, field: FieldInfo | None) -> Json:
    """Turn a leaf into what TOML and JSON know, spelled as a user would."""
    if field is not None and isinstance(value, float) and read_by(field, parse_duration):
        return _in_units(value, {unit: size for unit, size in SECONDS.items() if unit != "w"}, "s")
    if field is not None and isinstance(value, int) and read_by(field, parse_size):
        return _in_units(value, {unit: size for unit, size in BYTES.items() if unit.endswith("iB")}, "B")
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, (IntEnum, Path)):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item, None) for item in value)
    if isinstance(value, (tuple, list)):
        return [_plain(item, None) for item in value]
    return value


def _in_units(value: float, units: Mapping[str, float], smallest: str) -> str:
    """Write a quantity in the largest unit that leaves no fraction."""
    for unit, size in sorted(units.items(), key=lambda item: -item[1]):
        if value >= size and value % size == 0:
            return f"{value / size:.0f}{unit}"
    return f"{value:g}{smallest}"


def _header(table: KeyPath) -> str:
    """Write a table's header; one of a list of tables stands in double brackets."""
    name = _toml_key(tuple(part for part in table if isinstance(part, str)))
    return f"[[{name}]]" if isinstance(table[-1], int) else f"[{name}]"


def _toml_key(path: KeyPath) -> str:
    parts = (str(part) for part in path)
    return ".".join(part if re.fullmatch("[A-Za-z0-9_-]+", part) else json.dumps(part) for part in parts)


def _toml(value: Json) -> str:
    """Write a leaf; what TOML knows of these is spelled as in JSON."""
    return json.dumps(value, ensure_ascii=False)
