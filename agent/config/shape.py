"""Which keys may stand where, read off the models' annotations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent.config.lines import KeyPath
from agent.core.model import Json
from agent.core.redact import Secret

Kind = object
"""A type annotation: a class, or what `typing` makes of classes."""


class Shape:
    """The types of all keys, given the models of the channels in use."""

    def __init__(self, root: type[BaseModel], channels: Mapping[str, type[BaseModel]]) -> None:
        self._root = root
        self._channels = channels

    def at(self, path: KeyPath) -> Kind | None:
        """Return the annotation of a key; None if there may be none. A channel of unknown type is an empty table."""
        kind: Kind | None = self._root
        for depth, part in enumerate(path):
            if depth == 1 and path[0] == "channels":
                kind = self._channels.get(str(part), BaseModel)
            elif kind is not None:
                kind = _step(kind, part)
        return kind

    def keys(self, path: KeyPath) -> tuple[str, ...]:
        """Return the names of the keys that a table may have; empty where any name goes."""
        return tuple(key for model in _models(self.at(path)) for key in fields(model))

    def secret(self, path: KeyPath) -> bool:
        """Whether the key holds a secret."""
        return _is_secret(self.at(path))


    def takes_text(self, path: KeyPath) -> bool:
        """Whether a plain text may stand here as it is."""
        return any(
            get_origin(variant) is Literal or (isinstance(variant, type) and issubclass(variant, (str, Path, Secret)))
            for variant in _variants(self.at(path))
        )

    def takes_table(self, path: KeyPath) -> bool:
        """Whether a table may stand here."""
        kind = self.at(path)
        return bool(_models(kind)) or any(named for named, _ in _containers(kind))

    def takes_list(self, path: KeyPath) -> bool:
        """Whether a list may stand here."""
        return any(not named for named, _ in _containers(self.at(path)))


def fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return a model's fields by the name that users write, which is the alias where there is one (`for`)."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def tables(model: type[BaseModel]) -> dict[str, Json]:
    """Every table below a model, empty. With them the model's own validator does it all; made one by one, each table
    that the user left out would need one for itself, which takes time and memory.
    """
    kinds = {key: field.annotation for key, field in fields(model).items()}
    return {key: tables(kind) for key, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


def read_by(field: FieldInfo, reader: Callable[..., object]) -> bool:
    """Whether a field's text is read by this function, for example `parse_duration`."""
    pending: list[Kind] = [field.annotation, *field.metadata]
    while pending:
        item = pending.pop()
        if getattr(item, "func", None) is reader:
            return True
        pending += [*get_args(item), *getattr(item, "__metadata__", ())]
    return False


def walk(kind: Kind, path: KeyPath = ()) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """List every key below an annotation; tables with free names, and lists of tables, appear under `*`."""
    for model in _models(kind):
        for key, field in fields(model).items():
            inside = list(walk(_annotation(field), (*path, key)))
            yield from inside or [((*path, key), field)]
    for _, item in _containers(kind):
        yield from walk(item, (*path, "*"))


def _annotation(field: FieldInfo) -> Kind:
    """Put the type and its constraints together again, as they were written."""
    kind: Kind = field.rebuild_annotation()
    return kind


def _step(kind: Kind, key: str | int) -> Kind | None:
    for model in _models(kind):
        if key in fields(model):
            return _annotation(fields(model)[str(key)])
    return next((item for named, item in _containers(kind) if named or isinstance(key, int)), None)


def _variants(kind: Kind) -> Iterator[Kind]:
    """Unpack unions and annotations into plain types."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _variants(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for variant in get_args(kind):
            yield from _variants(variant)
    else:
        yield kind


def _models(kind: Kind | None) -> list[type[BaseModel]]:
    return [variant for variant in _variants(kind) if isinstance(variant, type) and issubclass(variant, BaseModel)]


def _containers(kind: Kind | None) -> Iterator[tuple[bool, Kind]]:
    """List the kinds of container: whether its items have names, and what an item is."""
    for variant in _variants(kind):
        origin = get_origin(variant)
        if isinstance(origin, type) and issubclass(origin, (Mapping, Sequence, frozenset, set)):
            named = issubclass(origin, Mapping)
            yield named, get_args(variant)[1 if named else 0]


def _is_secret(kind: Kind | None) -> bool:
    return any(isinstance(variant, type) and issubclass(variant, Secret) for variant in _variants(kind))
