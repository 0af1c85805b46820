"""Patterns compiled by Vectorscan, kept on disk from one start to the next. Losing them costs a compilation.

Compiling takes longer than searching most logs, and 4 MiB of the library that nothing else needs. What is loaded is
memory as the library wrote it, so it is only taken from a file that is ours and that nobody else can write to.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

try:  # there are wheels for x86-64 and aarch64 only
    import hyperscan
except ImportError:
    hyperscan = None  # type: ignore[assignment]

Pattern = tuple[int, bytes, int]
"""Its number, the expression, and flags of the library."""

LARGEST = 16 << 20
"""Bytes of a file that is believed; a few hundred patterns take a quarter of a MiB."""
KEPT = 8
"""Compilations that are kept: two each of two releases, with and without patterns of the user's own."""


def database(patterns: Sequence[Pattern]) -> "hyperscan.Database":
    """All patterns as one database, compiled now or at an earlier start. Raises hyperscan.error for what cannot be."""
    name = key(patterns, str(getattr(hyperscan, "__version__", "")))
    stored = load(name)
    if stored is not None:
        with contextlib.suppress(hyperscan.error):  # of another processor, or cut
            return _loaded(stored)
    made = compile_now(patterns)
    store(name, hyperscan.dumpb(made))
    return made


def compile_now(patterns: Sequence[Pattern]) -> "hyperscan.Database":
    """Compile, whatever is on disk. Raises hyperscan.error."""
    numbers, expressions, flags = zip(*patterns, strict=True)
    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    made.compile(expressions=expressions, ids=numbers, flags=flags)
    return made


def key(patterns: Sequence[Pattern], version: str) -> str:
    """Name a compilation by everything that it depends on but the processor, which the library checks by itself."""
    return hashlib.sha256(repr((tuple(patterns), version)).encode()).hexdigest()[:32]


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


def _loaded(data: bytes) -> "hyperscan.Database":
    found = hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
    found.scratch = hyperscan.Scratch(found)
    return found


def _folder() -> Path:
    """The service's own cache under systemd, else the user's."""
    given = os.environ.get("CACHE_DIRECTORY") or os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given) / "gpuwarden" / "patterns"
    try:
        home = Path.home()
    except RuntimeError:  # a user whom nobody knows, in a container
        home = Path("/")
    return home / ".cache" / "gpuwarden" / "patterns"
