"""Which channels and sources run: started from a configuration, and changed when another one is loaded."""

import logging
from collections.abc import Mapping

from agent import channel_wiring, lifeline, source_wiring
from agent.config.load import Loaded
from agent.core.clock import Clock
from agent.core.redact import Redactor
from agent.parts import HEARTBEAT, NOTIFIER, Parts
from agent.runtime.board import Board
from agent.runtime.log import event

_log = logging.getLogger(__name__)


class Roster:
    """The parts that the configuration decides on. A part whose settings stay the same goes on undisturbed."""

    def __init__(self, parts: Parts, board: Board, clock: Clock, environ: Mapping[str, str]) -> None:
        self._parts = parts
        self._board = board
        self._clock = clock
        self._environ = environ
        self._channels: dict[str, object] = {}
        self._sources: dict[str, object] = {}
        self._renewed: set[str] = set()
        self._heartbeat: object = None

    def adopt(self, loaded: Loaded) -> None:
        """Make what runs agree with the configuration."""
        self._adopt_channels(loaded)
        self._adopt_sources(loaded)
        self._adopt_heartbeat(loaded)

    def follow_mounts(self, loaded: Loaded) -> None:
        """Look after logs on mounts that may hang: jobs come and go, and so do mounts."""
        self._adopt_sources(loaded)

    def renew_stuck(self, loaded: Loaded) -> None:
        """Replace a notifier that hangs in a send, once; a second time its channel stays as it is, and is reported."""
        for name in self._parts.supervisor.stuck:
            channel = name.removeprefix(NOTIFIER)
            if name.startswith(NOTIFIER) and channel in self._channels and channel not in self._renewed:
                self._renewed.add(channel)
                event(_log, logging.WARNING, "a stuck notifier is replaced", channel=channel)
                self._parts.supervisor.remove(name)
                self._add_channel(channel, loaded)

    def _adopt_channels(self, loaded: Loaded) -> None:
        wanted = {item.name: _channel_settings(item.name, loaded) for item in channel_wiring.recipients(loaded)}
        self._parts.metrics.init_channels({item.name: item.type for item in channel_wiring.recipients(loaded)})
        for name in [name for name, settings in self._channels.items() if wanted.get(name) != settings]:
            self._parts.supervisor.remove(NOTIFIER + name)
            del self._channels[name]
        for name in wanted.keys() - self._channels.keys():
            self._channels[name] = wanted[name]
            self._renewed.discard(name)
            self._add_channel(name, loaded)

    def _add_channel(self, name: str, loaded: Loaded) -> None:
        redactor = Redactor(loaded.secrets)
        outlet = channel_wiring.outlet(name, loaded, channel_wiring.tools(loaded, redactor, self._clock))
        self._parts.add_notifier(outlet, channel_wiring.composer(name, loaded, redactor, self._environ))

    def _adopt_heartbeat(self, loaded: Loaded) -> None:
        settings = (loaded.settings.heartbeat, loaded.settings.http)
        if settings == self._heartbeat:
            return
        self._parts.supervisor.remove(HEARTBEAT)
        self._heartbeat = settings
        ping = lifeline.ping(loaded, self._clock)
        if ping is not None:
            self._parts.add_heartbeat(ping, loaded.settings.heartbeat.interval)

    def _adopt_sources(self, loaded: Loaded) -> None:
        wanted = {**source_wiring.source_settings(loaded), **source_wiring.remote_log_settings(loaded, self._board)}
        for name in [name for name, settings in self._sources.items() if wanted.get(name) != settings]:
            self._parts.supervisor.remove(name)
            del self._sources[name]
        fresh = wanted.keys() - self._sources.keys()
        for name in fresh:
            self._sources[name] = wanted[name]
            ring = self._parts.bells.ringer(name)
            self._parts.add_source(source_wiring.source(name, loaded, self._board, self._clock, ring))


def _channel_settings(name: str, loaded: Loaded) -> object:
    """Everything that a channel is built from; equal settings mean an equal channel."""
    return loaded.settings.channels[name], loaded.settings.http, loaded.settings.agent
