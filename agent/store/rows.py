"""Between values and columns: JSON in and out, and text that SQLite is sure to take. No SQL, no policy."""

import json
from typing import TypeVar

from agent.core import codec
from agent.core.model import Json
from agent.store.errors import Undecodable

T = TypeVar("T")


def dump(value: object) -> str:
    """Encode a value for a JSON column. The text is ASCII, so that file names of any bytes survive."""
    return json.dumps(codec.encode(value), separators=(",", ":"))


def load(kind: type[T], text: str, row: str) -> T:
    """Decode a JSON column. `row` names the row in the error, for example `"alert 0197…"`."""
    return build(kind, parse(text, row), row)


def build(kind: type[T], data: Json, row: str) -> T:
    """Rebuild a value of `kind` from columns. Raises Undecodable."""
    try:
        return codec.decode(kind, data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Undecodable(f"{row}: cannot be read as {kind.__name__} by this version ({error})") from error


def parse(text: str, row: str) -> Json:
    """Decode JSON. Raises Undecodable."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Undecodable(f"{row}: not JSON ({error})") from error


def printable(text: str | None) -> str | None:
    """Escape what is no Unicode text (undecodable bytes of a program's output), which SQLite would refuse whole."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")
