"""What the name of a file tells about whether it is a log. Pure."""

import re
from collections.abc import Iterator

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
"""Endings of names that are never logs of their own."""

_DATE = r"[.-]\d{4}-?\d\d-?\d\d(?:[-.T_]?\d{2,6}|[-.T_]\d\d[-.:]\d\d(?:[-.:]\d\d)?)?"
_ROTATED = re.compile(rf"\.\d{{1,3}}|{_DATE}|\.old|\.bak")
_ROTATED_WITHIN = re.compile(_DATE)
_LOG = re.compile(r"(?:^|[._-])(?:log|logs|stdout|stderr)(?:[._-]|$)|\.(?:out|err)$", re.IGNORECASE)
_DATA = r"tfevents|\.(?:jsonl?|csv|npy|npz|pt|pth|ckpt|bin|db|sqlite|lock|pid|py|pyc|so|ipynb)$"
_NONE = re.compile(_DATA, re.IGNORECASE)
"""Names of what programs write besides logs, whatever else they may look like."""
_ELSEWHERE = ("/wandb/", "/.cache/", "/site-packages/", "/mlruns/", "/.vscode-server/")
"""Folders whose logs tell of tools, or repeat what is told elsewhere."""


def is_rotation_of(name: str, base: str) -> bool:
    """Whether a file's name is what rotation makes of another's: `a.log.1`, `a.log-20261122.gz`, `a-20261122.log`.

    A number before the ending is no rotation: `run-1.log` and `run-2.log` are logs of their own.
    """
    return base in rotated_from(name)


def rotated_from(name: str) -> frozenset[str]:
    """The names of which a rotation may have made this one."""
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    ending = "." + name.rpartition(".")[2]
    end = len(name) - len(ending)
    bases = [name[:at] for at in _places(name, len(name)) if _ROTATED.fullmatch(name, at)]
    within = [name[:at] + ending for at in _places(name, end) if _ROTATED_WITHIN.fullmatch(name, at, end)]
    return frozenset((*bases, *within))


def _places(name: str, end: int) -> Iterator[int]:
    """Where what a rotation adds before `end` may begin: at a sign, behind something."""
    return (at for at in range(1, end) if name[at] in ".-")


def looks_like_log(path: str) -> bool:
    """Whether a file that a program holds open, besides its standard output, is a log by its name: `run.log`, `0.err`.

    A name that rotation made is none: what is written to is read under its own name.
    """
    name = path.rpartition("/")[2]
    if name.endswith(COMPRESSED) or _NONE.search(name) or any(folder in path for folder in _ELSEWHERE):
        return False
    return _LOG.search(name) is not None and re.search(rf"(?:{_ROTATED.pattern})$", name) is None
