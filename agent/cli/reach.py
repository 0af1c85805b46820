"""How commands reach what the agent knows: the database where this user may use it, else the agent that runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from agent import offline
from agent.cli.ask import NoAnswer, RunningAgent
from agent.cli.show import Failed
from agent.config.load import Loaded
from agent.config.zones import resolve
from agent.core.model import Json
from agent.core.record import HistoryQuery
from agent.offline import Refused, StoreError


class Facts(Protocol):
    """What can be asked, of the database and of a running agent alike."""

    def history(self, query: HistoryQuery) -> list[dict[str, Json]]:
        """Alerts with their deliveries, newest first."""
        ...

    def explain(self, alert_id: str) -> dict[str, Json] | None:
        """The chain of one alert; None if there is no such alert."""
        ...

    def between(self, since: int, until: int) -> dict[str, Json]:
        """What was told, held back and left out in a period (UTC milliseconds), and why."""
        ...

    def queue(self) -> list[dict[str, Json]]:
        """The deliveries that wait or are dead."""
        ...

    def silences(self) -> list[dict[str, Json]]:
        """The silences that are not over."""
        ...


@contextmanager
def facts(loaded: Loaded) -> Iterator[Facts]:
    """Give access to what is known: of the database where this user may read it, else of the agent that runs.

    The agent is asked as well where this user has no database of its own and named no place of one: it may be root's.
    """
    path = offline.database(loaded)
    if _own(path, loaded):
        with stored(loaded) as records:
            yield records
        return
    try:
        yield RunningAgent(loaded.settings.server.address)
    except NoAnswer as error:
        permitted(path, os.R_OK)
        raise Failed(f"user {os.geteuid()} may not read {path}, and {error}; ask as the agent's own user") from None


def _own(path: Path, loaded: Loaded) -> bool:
    """Whether this user may read the database. Raises Failed if there is none where the user says that one is."""
    try:
        return permitted(path, os.R_OK)
    except Failed:
        if loaded.origin(("agent", "state_dir")).layer != "default":
            raise
        return False


@contextmanager
def stored(loaded: Loaded) -> Iterator[offline.Records]:
    """Give access to the database alone."""
    _require(offline.database(loaded), os.R_OK, "read")
    with _in_one_line():
        yield offline.records(loaded)


@contextmanager
def steering(loaded: Loaded) -> Iterator[offline.Steering]:
    """Give access to what may be changed."""
    _require(offline.database(loaded), os.R_OK | os.W_OK, "write to")
    with _in_one_line():
        yield offline.steering(loaded)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """End the command with code 1 on what the store, or whoever is to change it, refuses."""
    try:
        yield
    except (StoreError, Refused) as error:
        raise Failed(str(error)) from None


def _require(path: Path, mode: int, verb: str) -> None:
    if not permitted(path, mode):
        raise Failed(f"user {os.geteuid()} may not {verb} {path}: run this as the agent's own user")


def permitted(path: Path, mode: int) -> bool:
    """Whether this user may use the database so. It is not opened, which would drop locks of this process.

    Raises Failed if there is no database.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        text = f"no agent has run here yet: {path}; begin with `gpuwarden run`, or name its --state-dir"
        raise Failed(text) from None
    except PermissionError:
        return False
    return os.access(path, mode, effective_ids=True)


def zone(loaded: Loaded) -> tzinfo:
    """The time of day that the configuration asks for."""
    return resolve(loaded.settings.agent.timezone, os.environ)
