"""The settings class for a set of sources and channels, whose own classes are handed in.

This room may not import sources or channels, and a channel's module is imported only if the user names its type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import BaseModel, Field, PlainValidator, SerializeAsAny, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from agent.config.errors import suggestion
from agent.config.settings import Settings
from agent.config.values import Table
from agent.core.model import Json

ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
"""Short and plain, since it becomes a metric label and an argument of commands."""


def _no_channel(name: str) -> type[BaseModel]:
    raise KeyError(name)


@dataclass(frozen=True)
class Schema:
    """The settings classes of the other rooms."""

    sources: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    """By the table's name below `[sources]`; each must have a default for every key."""
    channel_types: tuple[str, ...] = ()
    channel_config: Callable[[str], type[BaseModel]] = _no_channel
    """Returns the class of one channel type, importing it; raises KeyError for an unknown type."""
    may_touch: Callable[[str], bool] = lambda _: True
    """Whether a path can be looked at without the risk of waiting for ever, as on a dead network mount."""

    def settings_class(self) -> type[Settings]:
        """Derive the class that validates a configuration."""
        return self._derive(Annotated[BaseModel, PlainValidator(self._channel)])

    def editor_class(self) -> type[Settings]:
        """Derive a class that imports and describes every channel type; for a JSON Schema only."""
        kinds = [self.channel_config(name) for name in self.channel_types]
        return self._derive(reduce(or_, kinds or [Table]))

    def _derive(self, channel: Any) -> type[Settings]:
        tables: dict[str, Any] = {name: (kind, Field(default_factory=kind)) for name, kind in self.sources.items()}
        sources = create_model("Sources", __base__=Table, **tables)
        channels: Any = Mapping[ChannelName, SerializeAsAny[channel]]
        return create_model(
            "Settings",
            __base__=Settings,
            sources=(sources, Field(default_factory=sources)),
            channels=(channels, Field(default_factory=dict)),
        )

    def _channel(self, values: Json) -> BaseModel:
        """Validate one `[channels.NAME]` by its type. Raises ValidationError."""
        if not isinstance(values, Mapping):
            raise _fault({"type": "dict_type", "input": values})
        kind = values.get("type")
        if kind in self.channel_types:
            return self.channel_config(kind).model_validate(values)
        hint = suggestion(str(kind or ""), self.channel_types)
        text = "missing; {hint}" if kind is None else 'found "{kind}", which is no channel type; {hint}'
        error = PydanticCustomError("channel_type", text, {"kind": str(kind), "hint": hint})
        raise _fault({"type": error, "loc": ("type",), "input": kind})


def _fault(details: InitErrorDetails) -> ValidationError:
    return ValidationError.from_exception_data("channel", [details])
