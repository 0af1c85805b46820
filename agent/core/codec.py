"""Values to JSON and back, by their type hints alone: dataclasses, enums, tuples, mappings and what JSON knows."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from agent.core.model import Json

T = TypeVar("T")


def encode(value: Any) -> Json:
    """Turn a value into what `json.dumps` takes; defaults of dataclasses are left out, which keeps rows small."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: encode(getattr(value, item.name))
            for item in fields(value)
            if item.default is MISSING or getattr(value, item.name) != item.default
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], data: Json) -> T:
    """Rebuild a value of `kind` from `encode`'s output. Unknown keys are ignored, so that rows outlive a field.

    Raises KeyError, TypeError or ValueError where the data does not fit.
    """
    return typing.cast(T, _decode(kind, data))


@lru_cache(maxsize=128)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, data: Json) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is types.UnionType or origin is typing.Union:
        return _decode_union(arguments, data)
    if origin is tuple:
        return _decode_tuple(arguments, data)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {key: _decode(arguments[1], item) for key, item in data.items()}
    if origin is frozenset:
        return frozenset(_decode(arguments[0], item) for item in data)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _decode(hints[name], item) for name, item in data.items() if name in hints})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind is float and data is not None:
        return float(data)
    return data


def _decode_tuple(arguments: tuple[Any, ...], data: Json) -> tuple[Any, ...]:
    if arguments[-1] is Ellipsis:
        return tuple(_decode(arguments[0], item) for item in data)
    return tuple(_decode(argument, item) for argument, item in zip(arguments, data, strict=True))


def _decode_union(arguments: tuple[Any, ...], data: Json) -> Any:
    if data is None:
        return None
    (kind,) = [argument for argument in arguments if argument is not types.NoneType]
    return _decode(kind, data)
