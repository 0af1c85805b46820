"""What may be configured, as data: every key, and a JSON Schema for editors."""

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from agent.config.lines import KeyPath
from agent.config.schema import Schema
from agent.config.shape import walk
from agent.core.model import Json
from agent.core.units import parse_duration, parse_size


def keys(schema: Schema) -> dict[KeyPath, FieldInfo]:
    """List every key with its field. `*` stands for a free name, or for each of a list.

    The keys of `[channels.NAME]` appear once for each type: `("channels", "slack", "url")`.
    """
    found = {path: field for path, field in walk(schema.settings_class()) if path[0] != "channels"}
    for kind in schema.channel_types:
        found |= dict(walk(schema.channel_config(kind), ("channels", kind)))
    return found


def schema_json(schema: Schema) -> dict[str, Json]:
    """Describe the configuration file as a JSON Schema. Imports every channel."""
    described = schema.editor_class().model_json_schema(schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect, **described, "title": "gpuwarden configuration"}


class _Generator(GenerateJsonSchema):
    """Tells editors of the texts that durations and sizes may be written as."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        described = super().function_before_schema(schema)
        if schema["function"]["function"] in {parse_duration, parse_size}:
            return {"anyOf": [described, {"type": "string", "pattern": "^[0-9.]+ *[A-Za-z]*$"}]}
        return described
