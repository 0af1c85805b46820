"""What is allowed, but not wise: the findings of `check` on a configuration that could be read.

Looks at files and folders, never at the network, and changes nothing.
"""

import os
import ssl
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from agent.config import zones
from agent.config.layers import dotted
from agent.config.load import CONSOLE, Loaded
from agent.config.locate import expanded
from agent.core.model import TYPES, AlertType, Severity
from agent.core.periods import NAMES
from agent.core.policy.model import Recipient, Rules
from agent.core.policy.taken import report_takers, takes_type

Value = TypeVar("Value")

KNOWN_ZONE = "Europe/Berlin"
"""A zone that every zone database has."""


class Level(StrEnum):
    """How grave a finding is: with an `error` the agent will not start, or not work."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the user, with what to do about it."""

    level: Level
    text: str


def check(
    loaded: Loaded,
    *,
    remarks: Callable[[Loaded], Iterable[tuple[str, str]]] = lambda _: (),
    find_zone: Callable[[str], object] = zones.zone,
) -> list[Finding]:
    """Find everything worth telling, gravest first.

    `remarks` are what sources have to say, as key and text; `find_zone` looks a time zone up and raises ValueError.
    """
    findings = [
        *_zone_database(find_zone),
        *_state(loaded),
        *_certificates(loaded.settings.http.ca_file),
        *_secrets(loaded),
        *_server(loaded),
        *_channels(loaded),
        *_takers(loaded),
        *_reports(loaded),
        *_logs(loaded),
        *(Finding(Level.WARNING, f"{key}: {text}") for key, text in remarks(loaded)),
        *(Finding(Level.WARNING, text) for text in loaded.warnings),
    ]
    return sorted(findings, key=lambda finding: list(Level).index(finding.level))


def _zone_database(find_zone: Callable[[str], object]) -> Iterator[Finding]:
    try:
        find_zone(KNOWN_ZONE)
    except ValueError:
        yield Finding(Level.ERROR, 'the time zone database is missing: install the package "tzdata"')


def _certificates(ca_file: Path | None) -> Iterator[Finding]:
    if ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        yield Finding(Level.ERROR, f"http.ca_file: {ca_file} cannot be used: {why}; expected certificates in PEM form")


def _state(loaded: Loaded) -> Iterator[Finding]:
    for folder, key in ((loaded.state_dir, "state_dir"), (loaded.spool_dir, "spool_dir")):
        place = _nearest(folder)
        if not place.is_dir():
            yield Finding(Level.ERROR, f"agent.{key}: {place} is no directory, so {folder} cannot be used")
        elif not os.access(place, os.W_OK | os.X_OK):
            yield Finding(Level.ERROR, f"agent.{key}: {place} is not writable for this user")
    shared = [str(path) for path in _watched_folders(loaded) if _device(path) == _device(_nearest(loaded.state_dir))]
    if shared:
        text = f"{loaded.state_dir} is on the same filesystem as {', '.join(shared)}"
        yield Finding(
            Level.WARNING, f"agent.state_dir: {text}: training data that fills it leaves the agent no room either"
        )


def _nearest(path: Path) -> Path:
    """Return the path, or else the nearest folder above it that exists."""
    return next((place for place in (path, *path.parents) if place.exists()), path)


def _device(path: Path) -> int:
    return path.stat().st_dev


def _watched_folders(loaded: Loaded) -> list[Path]:
    """Return the folders that exist in front of the first wildcard of each log glob."""
    fixed = (_fixed_part(glob) for glob in _log_globs(loaded))
    return sorted({folder for folder in fixed if loaded.may_touch(str(folder)) and folder.is_dir()})


def _log_globs(loaded: Loaded) -> list[str]:
    logs = getattr(loaded.settings.sources, "logs", None)
    return [*getattr(logs, "paths", ()), *(job.log for job in loaded.settings.jobs.job if job.log)]


def _fixed_part(glob: str) -> Path:
    parts = expanded(glob).parts
    wild = next((index for index, part in enumerate(parts) if set(part) & set("*?[")), len(parts) - 1)
    return Path(*parts[:wild])


def _secrets(loaded: Loaded) -> Iterator[Finding]:
    for path in loaded.inline_secrets:
        advice = f'{path[-1]} = {{ file = "/path" }} keeps it out of copies and backups of the configuration'
        yield Finding(Level.WARNING, f"{dotted(path)}: the secret stands in {loaded.origin(path)} itself; {advice}")
    exposed = [loaded.config_path] if loaded.config_path and loaded.inline_secrets else []
    for file in (*exposed, *loaded.secret_files):
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            yield Finding(Level.WARNING, f"{file} holds a secret and others may read it (mode {mode:04o}): chmod 600")


def _server(loaded: Loaded) -> Iterator[Finding]:
    server = loaded.settings.server
    if server.enabled and not server.address.loopback:
        text = f"{server.listen} can be reached from other machines: metrics and health are shown to anyone there"
        yield Finding(Level.WARNING, f"server.listen: {text}")


def _channels(loaded: Loaded) -> Iterator[Finding]:
    enabled = _enabled(loaded)
    if not enabled:
        yield Finding(Level.WARNING, "channels: none is enabled: alerts are recorded, and nobody is told")
    elif list(enabled) == [CONSOLE] and loaded.origin(("channels", CONSOLE)).layer == "default":
        yield Finding(Level.NOTE, "channels: none is configured: alerts are printed to the console, and nowhere else")
    elif len(enabled) == 1:
        (name,) = enabled
        text = f"{name} is the only one: when it fails, nobody can be told; a second one of another kind is advised"
        yield Finding(Level.NOTE, f"channels: {text}")


def _enabled(loaded: Loaded) -> dict[str, BaseModel]:
    return {name: config for name, config in loaded.settings.channels.items() if _get(config, "enabled", default=True)}


def _get(config: BaseModel, key: str, *, default: Value) -> Value:
    """Read a key that channels have in common, whose class this room may not know."""
    found: Value = getattr(config, key, default)
    return found


def _takers(loaded: Loaded) -> Iterator[Finding]:
    """Tell of types that are on, but that no channel takes at their usual severity."""
    rules = loaded.settings.rules()
    recipients = [_recipient(name, config) for name, config in _enabled(loaded).items()]
    lost = [
        str(kind)
        for kind in TYPES
        if rules.default_on(kind) and not any(_takes(recipient, kind, rules) for recipient in recipients)
    ]
    if lost and recipients:
        yield Finding(Level.WARNING, f"channels: no channel takes {', '.join(lost)}: such alerts are only recorded")


def _reports(loaded: Loaded) -> Iterator[Finding]:
    """Tell of reports that name a channel which does not exist, or that nobody receives."""
    names = list(_enabled(loaded))
    recipients = [_recipient(name, config) for name, config in _enabled(loaded).items()]
    for kind, name in NAMES.items():
        wanted = loaded.settings.reports.of(kind)
        for channel in set(wanted.channels or ()) - set(names):
            text = f'"{channel}" is no enabled channel, expected one of {", ".join(names)}'
            yield Finding(Level.ERROR, f"reports.{name}.channels: {text}")
        if wanted.enabled and not report_takers(kind, recipients, wanted.channels):
            text = f"nobody receives it: name channels here, or list {kind} in the `alerts` of one"
            yield Finding(Level.WARNING, f"reports.{name}: {text}")


def _takes(recipient: Recipient, kind: AlertType, rules: Rules) -> bool:
    severity = rules.of(kind).severity or TYPES[kind].severity
    return takes_type(recipient, kind, rules) and recipient.min_severity <= severity


def _recipient(name: str, config: BaseModel) -> Recipient:
    alerts: Sequence[AlertType] | None = _get(config, "alerts", default=None)
    return Recipient(
        name=name,
        type=_get(config, "type", default=""),
        alerts=None if alerts is None else frozenset(alerts),
        min_severity=_get(config, "min_severity", default=Severity.INFO),
    )


def _logs(loaded: Loaded) -> Iterator[Finding]:
    logs = getattr(loaded.settings.sources, "logs", None)
    if not _log_globs(loaded) and not (getattr(logs, "enabled", True) and getattr(logs, "discover", True)):
        yield Finding(Level.NOTE, "sources.logs.paths: no log is watched, except those of jobs started by `exec --log`")
