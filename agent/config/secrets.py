"""Secrets that stand elsewhere: `{ env = "NAME" }`, `{ file = "/path" }`, `{ credential = "name" }`.

They are replaced by their values before validation, and only where a key is a secret: `labels = { env = "prod" }`
stays what it is. No error here shows a value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.config.errors import Problem, kind_of
from agent.config.layers import Layer, problem_at
from agent.config.lines import KeyPath
from agent.config.locate import expanded
from agent.config.shape import Shape
from agent.core.model import Json

FORMS = frozenset({"env", "file", "credential"})
MAX_BYTES = 1 << 16
EXPECTED = 'expected a text, { env = "NAME" }, { file = "/path" } or { credential = "name" }'


@dataclass(frozen=True, slots=True)
class Found:
    """One secret with its value, and the file that it was read from, if any."""

    path: KeyPath
    value: str
    file: Path | None = None
    inline: bool = False
    """Whether the value itself stands in a configuration file."""

    def __repr__(self) -> str:
        return f"Found(path={self.path!r}, value='***')"


class SecretError(Exception):
    """A secret cannot be had; the text says why and what was expected, never a value."""


class Resolution:
    """The layers with values in the place of references, in the layer that decides each secret; elsewhere dropped.

    A secret that cannot be read is left out, and told among the problems.
    """

    def __init__(self, layers: Sequence[Layer], shape: Shape, environ: Mapping[str, str]) -> None:
        self._layers = layers
        self._shape = shape
        self._environ = environ
        self.found: list[Found] = []
        self.problems: list[Problem] = []
        self.layers = tuple(replace(layer, values=self._table(layer, layer.values, ())) for layer in layers)

    @property
    def values(self) -> tuple[str, ...]:
        """Every secret, for whoever must mask them."""
        return tuple(dict.fromkeys(secret.value for secret in self.found))

    def _table(self, layer: Layer, values: Mapping[str, Json], path: KeyPath) -> dict[str, Json]:
        pairs = ((key, self._value(layer, value, (*path, key))) for key, value in values.items())
        return {key: value for key, value in pairs if value is not None}

    def _value(self, layer: Layer, value: Json, path: KeyPath) -> Json:
        if self._shape.secret(path):
            return self._secret(layer, value, path)
        if isinstance(value, Mapping):
            return self._table(layer, value, path)
        if isinstance(value, list):
            return [self._value(layer, item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _secret(self, layer: Layer, value: Json, path: KeyPath) -> str | None:
        if self._overridden(layer, path):
            return None
        try:
            found = _read(path, value, self._environ, inline=layer.name == "file")
        except SecretError as error:
            self.problems.append(problem_at(self._layers, path, str(error)))
            return None
        self.found.append(found)
        return found.value

    def _overridden(self, layer: Layer, path: KeyPath) -> bool:
        above = self._layers[[item is layer for item in self._layers].index(True) + 1 :]
        return any(item.has(path) for item in above)


def _read(path: KeyPath, value: Json, environ: Mapping[str, str], *, inline: bool) -> Found:
    if isinstance(value, str):
        return Found(path, value, inline=inline)
    if not isinstance(value, Mapping) or len(value) != 1 or not FORMS.issuperset(value):
        raise SecretError(f"found {kind_of(value)}, {EXPECTED}")
    ((form, name),) = value.items()
    if not isinstance(name, str) or not name:
        raise SecretError(f'found no text after "{form} =", {EXPECTED}')
    if form == "env":
        return Found(path, _from_environment(name, environ))
    file = expanded(name) if form == "file" else _credential(name, environ)
    return Found(path, read_secret(file), file)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        state = "empty" if name in environ else "not set"
        raise SecretError(f"the environment variable {name} is {state}, expected it to hold the secret")
    return environ[name]


def _credential(name: str, environ: Mapping[str, str]) -> Path:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SecretError(
            f'the systemd credential "{name}" is not available: $CREDENTIALS_DIRECTORY is not set, '
            f"expected a unit with LoadCredential={name}:/path"
        )
    if "/" in name:
        raise SecretError(f'found the credential name "{name}", expected a name without "/"')
    return Path(folder) / name


def read_secret(file: Path) -> str:
    """Read a secret file, without its trailing newline. Raises SecretError."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        expected = "expected a file that this user may read"
        raise SecretError(f"the secret file {file} cannot be read: {why}; {expected}") from None
    if len(data) > MAX_BYTES:
        raise SecretError(f"the secret file {file} is larger than {MAX_BYTES} bytes, expected one short text")
    try:
        text = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretError(f"the secret file {file} is not UTF-8 text, expected one short text") from None
    if not text:
        raise SecretError(f"the secret file {file} is empty, expected one short text")
    return text


def watched(found: Sequence[Found], channels: Sequence[str]) -> Mapping[Path, tuple[str, ...]]:
    """Tell which channels must be rebuilt when a secret file changes; a secret of `[http]` concerns all."""
    files: dict[Path, set[str]] = {}
    for file, names in _users(found, channels):
        files.setdefault(file, set()).update(names)
    return {file: tuple(sorted(names)) for file, names in files.items()}


def _users(found: Sequence[Found], channels: Sequence[str]) -> Iterator[tuple[Path, Sequence[str]]]:
    for secret in found:
        if secret.file is not None:
            yield secret.file, (str(secret.path[1]),) if secret.path[0] == "channels" else channels
