"""From the validator's findings to problems that a user can act on: where, what was found, what was expected."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agent.config.errors import Problem, kind_of, suggestion
from agent.config.layers import Layer, problem_at
from agent.config.lines import KeyPath
from agent.config.shape import Shape
from agent.core.model import Json
from agent.core.redact import MASK, SHORTEST_KNOWN

Context = Mapping[str, Json]

LONGEST_SHOWN = 80
"""Characters of a wrong value that an error shows."""

_LIMITS: Mapping[str, Callable[[Context], str]] = {
    "greater_than": lambda context: f"more than {context['gt']:g}",
    "greater_than_equal": lambda context: f"at least {context['ge']:g}",
    "less_than": lambda context: f"less than {context['lt']:g}",
    "less_than_equal": lambda context: f"at most {context['le']:g}",
    "string_pattern_mismatch": lambda context: f"a text that matches {context['pattern']}",
    "string_too_short": lambda context: _at_least(context["min_length"], "a text with at least", "character"),
    "string_too_long": lambda context: f"a text with at most {context['max_length']} characters",
    "too_short": lambda context: _at_least(context["min_length"], "at least", "item"),
    "too_long": lambda context: f"at most {context['max_length']} items",
    "finite_number": lambda _: "a finite number",
    "int_from_float": lambda _: "a whole number",
}
"""What was expected, by the validator's name for the fault."""

_KINDS: Mapping[str, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "path": "a path",
    "is": "a text",
    **dict.fromkeys(("list", "tuple", "set", "frozen", "iterable"), "a list"),
    **dict.fromkeys(("dict", "mapping", "model"), "a table"),
}
"""What was expected, by the first word of the fault's name, such as `int` of `int_parsing`."""

_OF_KEYS = "[key]"
"""How the validator marks that a key, not its value, is at fault."""


def problems(
    error: ValidationError, layers: Sequence[Layer], shape: Shape, secrets: Iterable[str]
) -> tuple[Problem, ...]:
    """Translate every fault, at most one for a key; no text shows one of `secrets`."""
    messages: dict[KeyPath, str] = {}
    for details in error.errors(include_url=False):
        path = _key_path(details, shape)
        messages[path] = _also(messages.get(path), _message(details, path, shape))
    return tuple(problem_at(layers, path, _mask(message, secrets)) for path, message in messages.items())


def _mask(message: str, secrets: Iterable[str]) -> str:
    """Hide secrets that a channel's own validator may have quoted; shorter ones would garble the text."""
    for secret in secrets:
        if len(secret) >= SHORTEST_KNOWN:
            message = message.replace(secret, MASK)
    return message


def _also(first: str | None, second: str) -> str:
    """Join what the members of a union expected: `found "x", expected "auto" or a list`."""
    if first is None:
        return second
    found, _, expected = second.partition(", expected ")
    return f"{first} or {expected}" if expected and first.startswith(f"{found}, expected ") else first


def _key_path(details: ErrorDetails, shape: Shape) -> KeyPath:
    """Keep what the user wrote of the validator's location, which goes on to name members of unions."""
    location = details["loc"]
    if location[-1:] == (_OF_KEYS,):
        return location[:-1]
    if details["type"] in {"extra_forbidden", "channel_type"}:
        return location
    known = len(location)
    while known and shape.at(location[:known]) is None:
        known -= 1
    return location[:known]


def _message(details: ErrorDetails, path: KeyPath, shape: Shape) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(str(path[-1]), shape.keys(path[:-1]))}"
    if details["loc"][-1:] == (_OF_KEYS,):
        return f"unknown key; {_expected(details)}"
    if kind == "missing":
        return "missing, expected a value"
    if kind == "value_error":
        return str(context["error"])
    if kind == "channel_type":
        return details["msg"]
    return f"found {_found(details['input'], shape, path)}, {_expected(details)}"


def _expected(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in {"enum", "literal_error"}:
        choices = re.findall(r"'([^']*)'", context["expected"])
        return suggestion(str(details["input"]), choices) if choices else f"expected {context['expected']}"
    if kind in _LIMITS:
        return f"expected {_LIMITS[kind](context)}"
    known = _KINDS.get(kind.split("_")[0])
    return f"expected {known}" if known else details["msg"]


def _at_least(number: Json, words: str, unit: str) -> str:
    return f"{words} {number} {unit}{'' if number == 1 else 's'}"


def _found(value: Json, shape: Shape, path: KeyPath) -> str:
    """Show a value as the file would; only its kind where it is, or may hold, a secret."""
    many = (shape.takes_table(path) or shape.takes_list(path)) and not shape.takes_text(path)
    if many or shape.secret(path) or isinstance(value, (Mapping, list)):
        return kind_of(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
