"""From files and environment to frozen settings, or to one error that tells everything that is wrong.

This is the only way to settings. Whoever needs one is given the value; nobody looks settings up later.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from agent.config import across, faults, secrets
from agent.config.environment import ENVIRONMENT, environment_layer, stray_variables, typed
from agent.config.errors import ConfigError, Problem, kind_of
from agent.config.layers import Layer, Origin, problem_at
from agent.config.lines import KeyPath
from agent.config.locate import MANAGED, SPOOL, config_file, default_state_dir, expanded, is_file
from agent.config.schema import Schema
from agent.config.settings import Settings
from agent.config.shape import Shape, tables
from agent.config.tomlfile import file_layer
from agent.core.model import Json

CONSOLE = "console"
"""The type, and the name, of the channel that exists where the user configured none."""


@dataclass(frozen=True)
class Loaded:
    """Settings that were accepted, with all that is known about them. Its repr shows no secret."""

    settings: Settings
    layers: tuple[Layer, ...] = field(repr=False)
    """Lowest first; secrets are in them in plain text."""
    shape: Shape = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """Every secret's value, for the redactor of logs and errors."""
    inline_secrets: tuple[KeyPath, ...]
    """Secrets whose value stands in the user's own file."""
    secret_files: Mapping[Path, tuple[str, ...]]
    """The files that hold secrets, each with the names of the channels to rebuild when it changes."""
    warnings: tuple[str, ...]
    config_path: Path | None
    may_touch: Callable[[str], bool] = field(default=lambda _: True, repr=False, compare=False)
    """As in `Schema`."""

    @property
    def state_dir(self) -> Path:
        """Where the agent keeps its state."""
        return self.settings.agent.state_dir

    @property
    def spool_dir(self) -> Path:
        """Where anyone on the node may hand in events."""
        return self.settings.agent.spool_dir

    def origin(self, path: KeyPath) -> Origin:
        """Say which layer gave a key, which is `default` where none did."""
        return next((layer.origin(path) for layer in reversed(self.layers) if layer.has(path)), Origin("default"))


def load(*, config: Path | None, state_dir: Path | None, environ: Mapping[str, str], schema: Schema) -> Loaded:
    """Find, read, layer, resolve and validate. `config` and `state_dir` are what the command line says, if anything.

    Changes nothing on disk. Raises ConfigError.
    """
    path = config_file(config, environ)
    layers = _read(path, state_dir, environ, schema)
    base = schema.settings_class()
    shape = Shape(base, _channel_models(layers, schema))
    layers = [typed(layer, shape) if layer.name == ENVIRONMENT else layer for layer in layers]
    resolved = secrets.Resolution(layers, shape, environ)
    settings = _validate(base, resolved, shape, schema.may_touch, environ)
    return Loaded(
        settings=settings,
        layers=resolved.layers,
        shape=shape,
        secrets=resolved.values,
        inline_secrets=tuple(secret.path for secret in resolved.found if secret.inline),
        secret_files=secrets.watched(resolved.found, tuple(settings.channels)),
        warnings=stray_variables(environ, tuple(Settings.model_fields)),
        config_path=path,
        may_touch=schema.may_touch,
    )


def _read(path: Path | None, state_dir: Path | None, environ: Mapping[str, str], schema: Schema) -> list[Layer]:
    """Read every layer, lowest first. The state directory is settled on the way, since one layer lies in it."""
    user = [file_layer("file", path)] if path else []
    upper = [*user, environment_layer(environ, user), _command_line(state_dir)]
    usual, variable = default_state_dir(environ)
    state = _given_state_dir(upper) or usual
    managed = [file_layer("managed", state / MANAGED)] if is_file(state / MANAGED) else []
    layers = [*managed, *upper]
    defaults: dict[str, Json] = {"agent": {"state_dir": str(usual), "spool_dir": str(state / SPOOL)}}
    if not any(layer.values.get("channels") for layer in layers) and CONSOLE in schema.channel_types:
        defaults["channels"] = {CONSOLE: {"type": CONSOLE}}
    variables: dict[KeyPath, str] = {("agent", "state_dir"): variable} if variable else {}
    return [Layer("default", defaults, variables=variables), *layers]


def _command_line(state_dir: Path | None) -> Layer:
    if state_dir is None:
        return Layer("command line")
    values = {"agent": {"state_dir": str(expanded(state_dir).absolute())}}
    return Layer("command line", values, variables={("agent", "state_dir"): "--state-dir"})


def _given_state_dir(layers: Sequence[Layer]) -> Path | None:
    """Take the highest layer's state directory; whether it is an acceptable one, validation will say."""
    for layer in reversed(layers):
        agent = layer.values.get("agent")
        given = agent.get("state_dir") if isinstance(agent, Mapping) else None
        if isinstance(given, str):
            return expanded(given)
    return None


def _channel_models(layers: Sequence[Layer], schema: Schema) -> Mapping[str, type[BaseModel]]:
    """Find the class of each channel, by the type that the highest layer gives it."""
    types: dict[str, Json] = {}
    for layer in layers:
        channels = layer.values.get("channels")
        for name, table in channels.items() if isinstance(channels, Mapping) else ():
            if isinstance(table, Mapping) and "type" in table:
                types[name] = table["type"]
    return {name: schema.channel_config(kind) for name, kind in types.items() if kind in schema.channel_types}


class _LayerSource(PydanticBaseSettingsSource):
    """A layer, as the settings library takes it."""

    def __init__(self, kind: type[Settings], layer: Layer) -> None:
        super().__init__(kind)
        self._values = dict(layer.values)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Json, str, bool]:  # noqa: ARG002 - its shape
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Json]:
        return self._values


def _validate(
    base: type[Settings], resolved: secrets.Resolution, shape: Shape, may_touch: Callable[[str], bool],
    environ: Mapping[str, str],
) -> Settings:  # fmt: skip
    """Check the whole, and tell everything that is wrong at once."""
    if misplaced := [item for layer in resolved.layers for item in _no_tables(layer, layer.values, shape, ())]:
        raise _all((*resolved.problems, *misplaced))
    try:
        settings = _merge(base, (Layer("default", tables(base)), *resolved.layers))
    except ValidationError as error:
        told = {key for problem in resolved.problems for key in _with_tables(problem.key)}
        faulty = faults.problems(error, resolved.layers, shape, resolved.values)
        raise _all((*resolved.problems, *(item for item in faulty if item.key not in told))) from None
    wrong = (
        *resolved.problems,
        *_folders(settings, resolved.layers, may_touch),
        *across.problems(settings, resolved.layers, environ),
    )
    if wrong:
        raise _all(wrong)
    return settings


def _no_tables(layer: Layer, values: Mapping[str, Json], shape: Shape, path: KeyPath) -> Iterator[Problem]:
    """Find plain values where a table belongs: merged with a table of another layer, one of the two would vanish."""
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            yield from _no_tables(layer, value, shape, here)
        elif shape.takes_table(here) and not shape.takes_list(here):
            yield problem_at([layer], here, f"found {kind_of(value)}, expected a table")


def _with_tables(key: str | None) -> Iterator[str]:
    """A key and the tables around it: what a secret that cannot be had leaves incomplete is not told of again."""
    while key:
        yield key
        key = key.rpartition(".")[0]


def _all(problems: Sequence[Problem]) -> ConfigError:
    """Tell problems in the order in which a person will meet them."""
    return ConfigError(*sorted(problems, key=lambda problem: (str(problem.file or ""), problem.line or 0)))


def _merge(base: type[Settings], layers: Sequence[Layer]) -> Settings:
    """Lay the layers over each other, later ones winning key by key. Raises ValidationError."""

    class Layered(base):  # type: ignore[misc, valid-type]  # the class is made at run time
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[Settings], **_: object
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_LayerSource(settings_cls, layer) for layer in reversed(layers))

    settings: Settings = Layered()
    return settings


def _folders(settings: Settings, layers: Sequence[Layer], may_touch: Callable[[str], bool]) -> Iterator[Problem]:
    """Refuse a folder where log files are meant, since it would match nothing and say nothing."""
    logs = getattr(settings.sources, "logs", None)
    globs: list[tuple[KeyPath, str]] = [
        (("sources", "logs", "paths", index), path) for index, path in enumerate(getattr(logs, "paths", ()))
    ]
    globs += [(("jobs", "job", index, "log"), job.log) for index, job in enumerate(settings.jobs.job) if job.log]
    for key, path in globs:
        place = expanded(path)
        if may_touch(str(place)) and place.is_dir():
            expected = f'expected files, such as "{path.rstrip("/")}/*.log"'
            yield problem_at(layers, key, f'"{path}" is a directory; {expected}')
