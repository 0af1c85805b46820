"""One TOML file as a layer."""

import tomllib
from pathlib import Path

from agent.config.errors import ConfigError, Problem
from agent.config.layers import Layer
from agent.config.lines import key_lines

MAX_FILE_BYTES = 1 << 20
"""A configuration of more than 1 MiB is a mistake (a log, a device), and would only fill memory."""


def file_layer(name: str, path: Path) -> Layer:
    """Read one TOML file. Raises ConfigError where it cannot be read or is no TOML."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(_unreadable(path, error.strerror or str(error))) from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(_unreadable(path, "larger than 1 MiB"))
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        return Layer(name, tomllib.loads(text), path, key_lines(text))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(Problem("not UTF-8 text: expected TOML", file=path, line=line)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_no_toml(path, text, str(error))) from None


_TWICE = "Cannot overwrite a value"
"""What the parser says of a key that stands in the file twice."""


def _unreadable(path: Path, why: str) -> Problem:
    return Problem(f"cannot be read: {why}; expected a TOML file that this user may read", file=path)


def _no_toml(path: Path, text: str, message: str) -> Problem:
    """Take the line out of the parser's message, which ends in "(at line 3, column 7)" or "(at end of document)"."""
    message = message.replace(_TWICE, "this key or table stands in the file twice")
    what, _, place = message.rpartition(" (at ")
    words = place.rstrip(")").replace(",", "").split()
    if words[:1] == ["line"]:
        return Problem(f"no valid TOML: {what} (column {words[3]})", file=path, line=int(words[1]))
    return Problem(f"no valid TOML: {message}", file=path, line=text.count("\n") + 1)
