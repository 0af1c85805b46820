"""The compiled patterns on disk: compiling takes longer than searching most logs. Losing them costs a compilation.

What is loaded is memory as the library wrote it, so it is only taken from a file that is ours and that nobody else
can write to.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

LARGEST = 16 << 20
"""Bytes of a file that is believed; a few hundred patterns take a quarter of a MiB."""
KEPT = 4
"""Compilations that are kept: of two releases, with and without patterns of the user's own."""


def key(patterns: Sequence[tuple[int, bytes, int]], flags: int, version: str) -> str:
    """Name a compilation by everything that it depends on but the processor, which the library checks by itself."""
    return hashlib.sha256(repr((tuple(patterns), flags, version)).encode()).hexdigest()[:32]


def load(name: str) -> bytes | None:
    """What was stored under a name; None if nothing trustworthy is there."""
    path = _folder() / name
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid() or state.st_mode & 0o022 or state.st_size > LARGEST:
                return None
            return file.read()
    except OSError:
        return None


def store(name: str, data: bytes) -> None:
    """Store a compilation for the next start, and drop older ones; where that cannot be done, nothing is lost."""
    folder = _folder()
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(data)
        Path(file.name).replace(folder / name)
        kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[KEPT:]:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    """The service's own cache under systemd, else the user's."""
    given = os.environ.get("CACHE_DIRECTORY") or os.environ.get("XDG_CACHE_HOME")
    return Path(given or Path.home() / ".cache") / "gpuwarden" / "patterns"
