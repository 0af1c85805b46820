"""Where configuration, state and spool live, by options, environment and convention.

Standard library only, because commands that must start fast ask here too. Opens no file and creates none.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from agent.config.errors import ConfigError, Problem

SYSTEM_CONFIG = Path("/etc/gpuwarden/config.toml")
SYSTEM_STATE = Path("/var/lib/gpuwarden")
MANAGED = "managed.toml"
"""The agent's own layer, inside the state directory."""
SPOOL = "spool"


def config_file(explicit: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Find the configuration file; None where there is none, which is fine.

    A file that was named, by option or by `GPUWARDEN_CONFIG`, must exist: raises ConfigError otherwise.
    """
    named, by = (explicit, "--config") if explicit else (environ.get("GPUWARDEN_CONFIG"), "GPUWARDEN_CONFIG")
    if named:
        return _named(Path(named), by)
    candidates = (SYSTEM_CONFIG, _user_config(environ))
    return next((path for path in candidates if is_file(path)), None)


def _named(path: Path, by: str) -> Path:
    path = expanded(path).absolute()
    if is_file(path):
        return path
    found = "is a directory" if path.is_dir() else "does not exist or cannot be reached"
    message = f"the configuration file named by {by} {found}: expected a readable TOML file"
    raise ConfigError(Problem(message, file=path))


def expanded(path: Path | str) -> Path:
    """Put a home folder in place of `~`; where nobody knows it, the path stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's way raises there


def is_file(path: Path) -> bool:
    """Whether there is a regular file; what lies in a folder that may not be entered is not there."""
    try:
        return path.is_file()
    except OSError:
        return False


def default_state_dir(environ: Mapping[str, str], *, root: bool | None = None) -> tuple[Path, str | None]:
    """Find the state directory where neither option nor configuration names one, and the variable that did."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given), "STATE_DIRECTORY"
    if _is_root() if root is None else root:
        return SYSTEM_STATE, None
    return _xdg(environ, "XDG_STATE_HOME", ".local/state") / "gpuwarden", None


def default_config_file(environ: Mapping[str, str], *, root: bool | None = None) -> Path:
    """Say where this user's configuration file belongs, whether or not it exists."""
    return SYSTEM_CONFIG if (_is_root() if root is None else root) else _user_config(environ)


def _is_root() -> bool:
    return os.geteuid() == 0


def _user_config(environ: Mapping[str, str]) -> Path:
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "gpuwarden" / "config.toml"


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    """Follow the XDG base directory rules: a relative value counts as unset."""
    given = environ.get(variable, "")
    if given.startswith("/"):
        return Path(given)
    return Path(environ.get("HOME") or _home()) / fallback


def _home() -> Path:
    """This user's home folder; of one whom nobody knows the root, as container runtimes have it."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")
