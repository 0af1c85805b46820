"""Builds the channels that the configuration names, and what each of them is told with.

They are found by the name of their module, so only what the user named is imported.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from pydantic import BaseModel

from agent.config.load import Loaded
from agent.config.zones import resolve
from agent.core import message
from agent.core.clock import Clock
from agent.core.digest import compose_digest
from agent.core.message import Message
from agent.core.policy.model import Recipient
from agent.core.record import WHY
from agent.core.redact import Redactor
from agent.release import release
from agent.runtime.news import News
from agent.runtime.outlet import Compose, Outlet

if TYPE_CHECKING:
    from agent.channels.shared.base import CommonConfig, Tools
    from agent.channels.shared.http import Client


def channel_types() -> tuple[str, ...]:
    """Every type of channel there is: each module of `agent.channels` is one; what they share is a package there."""
    package = importlib.import_module("agent.channels")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg))


def config_class(kind: str) -> type[BaseModel]:
    """The settings of one type of channel. Raises ImportError for a type that there is not."""
    found: type[BaseModel] = _channel_module(kind).Config
    return found


def recipients(loaded: Loaded) -> tuple[Recipient, ...]:
    """The enabled channels as the policy sees them."""
    return tuple(_recipient(name, config) for name, config in _enabled(loaded))


def tools(loaded: Loaded, redactor: Redactor, clock: Clock) -> "Tools":
    """What channels may use of the world."""
    from agent.channels.shared.base import Tools  # deferred: commands that send nothing need none

    @cache
    def client() -> "Client":
        from agent.channels.shared.http import Client, HttpSettings  # deferred: an agent that only prints needs none

        http = loaded.settings.http
        return Client(HttpSettings(http.proxy, http.ca_file, f"gpuwarden/{release()}"), clock)

    return Tools(client, clock, redactor, _print)


def outlet(name: str, loaded: Loaded, equipment: "Tools") -> Outlet:
    """Build one channel. Raises KeyError for a name that is not configured."""
    config = _common(loaded.settings.channels[name])
    if config.CALLS_OUT:
        equipment.open_http()  # not with its first alert: that may tell of too little memory
    channel = _channel_module(config.type).Channel(name, config, equipment)
    return Outlet(name, config.type, channel, config.timeout, not config.STATEFUL, config.pictures)


def composer(name: str, loaded: Loaded, redactor: Redactor, environ: Mapping[str, str]) -> Compose:
    """Put alerts into words for one channel as the configuration wants them: zone, node, what may be shown."""
    recognises_repeats = _common(loaded.settings.channels[name]).IDEMPOTENT
    agent = loaded.settings.agent
    zone = resolve(agent.timezone, environ)

    def compose(news: News, now: int) -> Message:
        row, uncertain = news.row, news.row.uncertain and not recognises_repeats
        if news.members:
            return compose_digest(
                news.digest, now=now, reason=WHY[row.kind], node=agent.node, redactor=redactor, clock_zone=zone,
                uncertain=uncertain, plain=row.plain, include_paths=agent.include_paths,
            )  # fmt: skip
        return message.compose(
            news.alert, row.kind, now=now, reason=WHY[row.kind], node=agent.node, redactor=redactor, clock_zone=zone,
            uncertain=uncertain, plain=row.plain, references=news.references, include_paths=agent.include_paths,
            chart=news.chart, recurrence=news.recurrence,
        )  # fmt: skip

    return compose


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _channel_module(kind: str) -> ModuleType:
    return importlib.import_module(f"agent.channels.{kind}")


def _enabled(loaded: Loaded) -> Iterable[tuple[str, "CommonConfig"]]:
    for name, config in loaded.settings.channels.items():
        common = _common(config)
        if common.enabled:
            yield name, common


def _common(config: BaseModel) -> "CommonConfig":
    from agent.channels.shared.base import CommonConfig  # deferred, as above

    if not isinstance(config, CommonConfig):
        raise TypeError(f"{type(config).__name__} is no channel's settings")
    return config


def _recipient(name: str, config: "CommonConfig") -> Recipient:
    return Recipient(
        name=name,
        type=config.type,
        alerts=None if config.alerts is None else frozenset(config.alerts),
        min_severity=config.min_severity,
        match=config.match,
        quiet_hours=config.quiet_hours,
        max_per_hour=config.max_per_hour,
        stateful=config.STATEFUL,
        program=config.PROGRAM,
    )
