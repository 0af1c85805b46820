"""Puts one file into the spool, for `emit` and `exec`: by any user, quickly, whether or not an agent runs.

Reads at most one configuration file, and only for where the spool is; a file that this user may not read is passed by.
"""

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.cli.common import Place
from agent.config.locate import SPOOL, SYSTEM_STATE, config_file, default_state_dir, expanded
from agent.core.model import Json

SPOOL_VARIABLE = "GPUWARDEN_AGENT__SPOOL_DIR"
STATE_VARIABLE = "GPUWARDEN_AGENT__STATE_DIR"


class NotStored(Exception):  # noqa: N818 - a state of the world, not a fault
    """The file is not safely in the spool; the text says where, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Spool:
    """Where to hand in. `state_dir` is set where the spool may be made because the state directory was chosen."""

    directory: Path
    state_dir: Path | None = None


def find(place: Place, environ: Mapping[str, str]) -> Spool:
    """Find the spool that the agent reads which this command line means. Raises ConfigError on a broken file."""
    agent = _agent_table(place.config, environ)
    named = environ.get(SPOOL_VARIABLE) or agent.get("spool_dir")
    if named:
        return Spool(expanded(str(named)))
    state = place.state_dir or environ.get(STATE_VARIABLE) or agent.get("state_dir")
    if not state and _system_has_one():
        return Spool(SYSTEM_STATE / SPOOL)
    if not state:
        # Under systemd, STATE_DIRECTORY is that of the service which hands something in, not of the agent.
        state, _ = default_state_dir({name: value for name, value in environ.items() if name != "STATE_DIRECTORY"})
    directory = expanded(str(state)).absolute()
    return Spool(directory / SPOOL, directory)


def store(spool: Spool, data: bytes, stamp_ns: int) -> Path:
    """Write one file so that it is either there whole, also after a loss of power, or not at all.

    `stamp_ns` is the present time, by which hand-ins are ordered. Raises NotStored.
    """
    name = f"{stamp_ns}-{os.getpid()}-{secrets.token_hex(4)}.json"
    try:
        _make(spool)
        return _put(spool.directory, name, data)
    except OSError as error:
        raise NotStored(f"{spool.directory}: {error.strerror}; {_remedy(error)}") from None


def _put(directory: Path, name: str, data: bytes) -> Path:
    hidden, final = directory / f".tmp-{name}", directory / name
    handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with contextlib.ExitStack() as undo:
        undo.callback(lambda: hidden.unlink(missing_ok=True))
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
            hidden.rename(final)
            undo.pop_all()
            _flush_name(directory, handle)
    return final


def _flush_name(directory: Path, handle: int) -> None:
    """Make the rename last. Who may not open the spool itself flushes the file again, and with it its new name."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        os.fsync(handle)
        return
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _make(spool: Spool) -> None:
    """Make the spool of an agent that has not run yet; it will open it to others at its start."""
    if spool.state_dir is None or spool.directory.is_dir():
        return
    if not spool.state_dir.is_dir():
        spool.state_dir.mkdir(parents=True, exist_ok=True)
        spool.state_dir.chmod(0o711)
    with contextlib.suppress(FileExistsError):
        spool.directory.mkdir(mode=0o700)


def _remedy(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"start the agent once, which makes the spool, or name another one in {SPOOL_VARIABLE}"
    if isinstance(error, PermissionError):
        return f"the agent makes the spool writable for everyone when it starts; name another one in {SPOOL_VARIABLE}"
    return f"free some space there, or name another spool in {SPOOL_VARIABLE}"


def _system_has_one() -> bool:
    try:
        return (SYSTEM_STATE / SPOOL).is_dir()
    except PermissionError:
        return True  # an agent that is set up wrongly is better told of than passed by


def _agent_table(explicit: Path | None, environ: Mapping[str, str]) -> Mapping[str, Json]:
    path = config_file(explicit, environ)
    if path is None or not os.access(path, os.R_OK):
        return {}
    from agent.config.tomlfile import file_layer  # deferred: most users of a node have no configuration to read

    agent = file_layer("file", path).values.get("agent")
    return agent if isinstance(agent, Mapping) else {}
