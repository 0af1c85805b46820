"""Values to JSON and back, by their type hints alone: dataclasses, enums, tuples, mappings and what JSON knows."""

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from agent.core.model import Json

T = TypeVar("T")
Decoder = Callable[[Json], Any]
"""Rebuilds values of one type from what JSON knows."""


def encode(value: Any) -> Json:
    """Turn a value into what `json.dumps` takes; defaults of dataclasses are left out, which keeps rows small."""
    if isinstance(value, Enum):  # before texts and numbers, since some are those too
        return value.value
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [encode(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: encode(getattr(value, item.name))
            for item in fields(value)
            if item.default is MISSING or getattr(value, item.name) != item.default
        }
    return value


def decode(kind: type[T], data: Json) -> T:
    """Rebuild a value of `kind` from `encode`'s output. Unknown keys are ignored, so that rows outlive a field.

    Raises AttributeError, KeyError, TypeError or ValueError where the data does not fit.
    """
    rebuild: Decoder = _decoder(typing.cast(Any, kind))  # mypy does not see that a type is hashable
    return typing.cast(T, rebuild(data))


def _as_it_is(data: Json) -> Any:
    return data


@cache
def _decoder(kind: Any) -> Decoder:
    """How values of one type are rebuilt. Worked out once: reading type hints takes longer than following them."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is types.UnionType or origin is typing.Union:
        return _optional(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(_decoder(arguments[1]))
    if origin is frozenset:
        item = _decoder(arguments[0])
        return lambda data: frozenset(map(item, data))
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if kind is float:
        return lambda data: None if data is None else float(data)
    return _as_it_is


def _optional(arguments: tuple[Any, ...]) -> Decoder:
    (kind,) = [argument for argument in arguments if argument is not types.NoneType]
    inner = _decoder(kind)
    return lambda data: None if data is None else inner(data)


def _tuple(arguments: tuple[Any, ...]) -> Decoder:
    if arguments[-1] is Ellipsis:
        item = _decoder(arguments[0])
        return lambda data: tuple(map(item, data))
    items = [_decoder(argument) for argument in arguments]
    return lambda data: tuple(item(value) for item, value in zip(items, data, strict=True))


def _mapping(item: Decoder) -> Decoder:
    return lambda data: {key: item(value) for key, value in data.items()}


def _dataclass(kind: type) -> Decoder:
    decoders = {name: _decoder(hint) for name, hint in get_type_hints(kind).items()}

    def rebuild(data: Json) -> Any:
        return kind(**{name: decoders[name](value) for name, value in data.items() if name in decoders})

    return rebuild
