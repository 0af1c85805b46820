"""Time zones by name, read from the system's zone database or the `tzdata` package."""

import os
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path

LOCAL = "local"
LOCALTIME = Path("/etc/localtime")
"""Where Linux keeps the node's own zone: a link into the zone database, or a copy of a file of it."""


def zone(name: str) -> zoneinfo.ZoneInfo:
    """Look up an IANA zone. Raises ValueError that says what was expected."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of the database
        raise ValueError(f'found "{name}", expected {_expected(name)}') from None


def _expected(name: str) -> str:
    known = zoneinfo.available_timezones()
    if not known:
        return 'a zone database: install the package "tzdata"'
    import difflib  # deferred: only mistakes need it

    near = difflib.get_close_matches(name, known, n=1)
    example = near[0] if near else "Europe/Berlin"
    return f'an IANA time zone such as "{example}", or "{LOCAL}"'


def resolve(name: str, environ: Mapping[str, str], localtime: Path = LOCALTIME) -> tzinfo:
    """Turn a configured name into a zone; "local" follows `$TZ`, then the node's own file, else UTC."""
    return zone(name) if name != LOCAL else local_zone(environ, localtime)


def local_zone(environ: Mapping[str, str], localtime: Path = LOCALTIME) -> tzinfo:
    """Find the node's own zone with its daylight-saving rules, which a mere offset from the C library lacks."""
    given = environ.get("TZ", "").removeprefix(":")
    if given:
        try:
            return zone(given)
        except ValueError:
            return UTC
    try:
        with localtime.open("rb") as stream:
            return zoneinfo.ZoneInfo.from_file(stream, key=_key(localtime))
    except (OSError, ValueError):
        return UTC


def _key(localtime: Path) -> str | None:
    """Read the zone's name off the link, for display."""
    _, found, name = os.path.realpath(localtime).partition("zoneinfo/")
    return name if found else None
