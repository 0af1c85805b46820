"""What commands need of the other rooms when they work on the state directory themselves, whether an agent runs or not.

Wires, like `app`; starts nothing and takes no lock. The errors that such work may end with are named here too.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from agent import app, channel_wiring
from agent.config.load import Loaded
from agent.core.redact import Redactor
from agent.runtime.clock import SystemClock
from agent.runtime.news import News
from agent.runtime.outlet import Compose, Outlet
from agent.runtime.records import Records
from agent.runtime.steering import Refused, Steering
from agent.store.database import Database
from agent.store.directory import DATABASE
from agent.store.errors import StoreError

__all__ = [
    "Compose", "News", "Outlet", "Records", "Refused", "Steering", "StoreError", "channel", "channels", "composer",
    "database",
    "records", "steering",
]  # fmt: skip


def database(loaded: Loaded) -> Path:
    """Where the state is kept."""
    return loaded.state_dir / DATABASE


def records(loaded: Loaded) -> Records:
    """Read the state."""
    showing = app.showing(loaded, os.environ)
    return Records(partial(Database.open, database(loaded), readonly=True), SystemClock(), lambda: showing)


def steering(loaded: Loaded) -> Steering:
    """Change the state."""
    return Steering(partial(Database.open, database(loaded)), SystemClock())


def channels(loaded: Loaded) -> tuple[str, ...]:
    """The names of the enabled channels."""
    return tuple(item.name for item in channel_wiring.recipients(loaded))


@contextmanager
def channel(name: str, loaded: Loaded) -> Iterator[Outlet]:
    """Build one configured channel, to send to by hand. Raises KeyError for a name that is not configured."""
    equipment = channel_wiring.tools(loaded, Redactor(loaded.secrets), SystemClock())
    with closing(equipment.http):
        outlet = channel_wiring.outlet(name, loaded, equipment)
        with closing(outlet.channel):
            yield outlet


def composer(name: str, loaded: Loaded) -> Compose:
    """Put alerts into words as the agent would for this channel."""
    return channel_wiring.composer(name, loaded, Redactor(loaded.secrets), os.environ)
