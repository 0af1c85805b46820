"""Which files the user's patterns name. Like `glob`, but it never walks a tree through symbolic links, and ends.

`*`, `?` and `[…]` stand for part of a name, `**` for any number of folders. Hidden names are taken only if spelled out.
"""

import fnmatch
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from pathlib import PurePath

from agent.sources.mounts import Reach

ENTRIES_AT_MOST = 200_000
"""Directory entries looked at for one pattern; a wider pattern is cut there rather than walked for minutes."""

_MAGIC = re.compile(r"[*?\[]")


class Walk:
    """One expansion of one pattern: the files found, the folders looked into, and whether it was cut short."""

    def __init__(self, pattern: str, reach: Reach) -> None:
        self._reach = reach
        self.folders: list[str] = []
        self.cut = False
        self._left = ENTRIES_AT_MOST
        self.files = tuple(dict.fromkeys(self._expand("/", PurePath(pattern).parts[1:])))

    def _expand(self, folder: str, parts: tuple[str, ...]) -> Iterator[str]:
        if not parts:
            return
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._deep(folder, rest or ("*",))
        elif not _MAGIC.search(part):
            if not rest:
                self._note(folder)
            yield from self._plain(os.path.join(folder, part), rest)  # noqa: PTH118 - a hot loop over many names
        else:
            for entry in self._list(folder):
                if _compiled(part).match(entry.name) and (part.startswith(".") or not entry.name.startswith(".")):
                    yield from self._plain(entry.path, rest)

    def _plain(self, path: str, rest: tuple[str, ...]) -> Iterator[str]:
        if rest:
            yield from self._expand(path, rest)
        elif self._reach.folder(path.rpartition("/")[0] or "/") and self._reach.own(path) and os.path.lexists(path):
            yield path

    def _deep(self, folder: str, rest: tuple[str, ...]) -> Iterator[str]:
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            yield from self._expand(folder, rest)
            entries = self._list(folder)
            waiting += [entry.path for entry in entries if not entry.name.startswith(".") and _is_folder(entry)]

    def _list(self, folder: str) -> list[os.DirEntry[str]]:
        if not self._reach.folder(folder):
            return []
        if self._left <= 0:
            self.cut = True
            return []
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:  # not there, or not for us: then nothing in it is named
            return []
        self._left -= len(found)
        self._note(folder)
        return found

    def _note(self, folder: str) -> None:
        if not self.folders or self.folders[-1] != folder:
            self.folders.append(folder)


def is_pattern(path: str) -> bool:
    """Whether a path names more than itself."""
    return _MAGIC.search(path) is not None


def fixed_folder(pattern: str) -> str:
    """The deepest folder that a pattern names outright."""
    parts = PurePath(pattern).parts[:-1]
    return str(PurePath(*takewhile(lambda part: not _MAGIC.search(part), parts)))


@lru_cache(maxsize=256)
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
