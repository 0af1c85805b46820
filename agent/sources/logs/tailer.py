"""Follows the bytes of one file, whatever is done to it: rotated, truncated, deleted, replaced, written in place.

A file is known by device and inode, and its content by the bytes before the place that was read to, since inode numbers
are used again and a log may be rewritten in place. Only regular files are ever opened.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from agent.core.log_names import COMPRESSED, is_rotation_of
from agent.sources.logs.buffer import TAIL

READ_AT_ONCE = 256 * 1024
"""Bytes read and scanned in one piece."""


@dataclass(frozen=True, slots=True)
class Inode:
    """What a path names, until it is deleted; numbers are used again after that."""

    device: int
    number: int

    def __str__(self) -> str:
        return f"{self.device}:{self.number}"

    @classmethod
    def of(cls, status: os.stat_result) -> "Inode":
        """The inode that `stat` told of."""
        return cls(status.st_dev, status.st_ino)

    @classmethod
    def parse(cls, text: str) -> "Inode":
        """Read what `str` wrote. Raises ValueError."""
        device, _, number = text.partition(":")
        return cls(int(device), int(number))


class Unreadable(Exception):  # noqa: N818 - a state of the world, not a fault
    """A path that is there cannot be read as a log; the text says why."""


def look(path: str) -> os.stat_result | None:
    """Ask what a path names, following symbolic links; None if nothing.

    Raises Unreadable where it is no regular file or may not be asked.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - every idle log costs one of these, and a path object as much again
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is a directory" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
    return status


def digest(tail: bytes) -> str:
    """What a checkpoint keeps of the bytes before its offset."""
    return hashlib.sha256(tail).hexdigest()[:16]


class Tail:
    """One file, read from `offset` on. Keeps its descriptor only while asked to, and reopens by path."""

    def __init__(self, path: str, inode: Inode, offset: int) -> None:
        self.path = path
        self.inode = inode
        self.offset = offset
        self.size = offset
        self._descriptor: int | None = None

    @property
    def opened(self) -> bool:
        """Whether a descriptor is held."""
        return self._descriptor is not None

    def status(self) -> os.stat_result | None:
        """Ask the open file itself, whatever became of its path; None if it is not open."""
        return None if self._descriptor is None else os.fstat(self._descriptor)

    def find(self) -> os.stat_result | None:
        """Look for the file by its last name, and by its inode beside that; `path` is then the name it has now."""
        status = look(self.path)
        if status is not None and Inode.of(status) == self.inode:
            return status
        found = _find_inode(str(Path(self.path).parent), self.inode)
        if found is None:
            return None
        self.path = found
        return look(found)

    def open(self) -> None:
        """Open the file by its path. Raises Unreadable, also where the path has come to name another file."""
        if self._descriptor is not None:
            return
        try:
            # Not blocking: the path may have become a FIFO since it was looked at.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or Inode.of(status) != self.inode:
            os.close(descriptor)
            raise Unreadable("was replaced while it was opened")
        self._descriptor = descriptor

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def before(self, offset: int) -> bytes:
        """The bytes before an offset by which the content is known. Raises Unreadable."""
        count = min(TAIL, offset)
        return self._read(count, offset - count)

    def read(self, tail: bytes, limit: int) -> bytes | None:
        """Read on from `offset`; None if the bytes before it are no longer `tail`: the content was replaced.

        At most `limit` bytes. NULs at the end of the file are left for later: they are a hole not written yet, or data
        that a network file system has announced but not delivered. Raises Unreadable.
        """
        wanted = max(0, min(limit, self.size - self.offset))
        data = self._read(len(tail) + wanted, self.offset - len(tail))
        if data[: len(tail)] != tail:
            return None
        data = data[len(tail) :]
        if self.offset + len(data) >= self.size:
            data = data.rstrip(b"\0")
        self.offset += len(data)
        return data

    def skip_hole(self) -> None:
        """Move on to the first data of a sparse file: a writer goes on at its old offset after a truncation."""
        if self._descriptor is None:
            return
        try:
            self.offset = max(self.offset, os.lseek(self._descriptor, self.offset, os.SEEK_DATA))
        except OSError:
            return  # no data yet, or a file system that cannot tell; the NULs are then read and dropped

    def _read(self, count: int, offset: int) -> bytes:
        self.open()
        assert self._descriptor is not None
        try:
            return os.pread(self._descriptor, count, offset)
        except OSError as error:
            self.close()
            raise Unreadable(error.strerror or str(error)) from None


def _find_inode(directory: str, inode: Inode) -> str | None:
    """Find the name that a file has now in a directory, after it was renamed."""
    try:
        with os.scandir(directory) as entries:
            found = [entry.path for entry in entries if entry.inode() == inode.number]
    except OSError:
        return None
    return next((path for path in found if _names(path, inode)), None)


def find_copy(path: str, offset: int, tail_digest: str) -> tuple[str, Inode] | None:
    """Find the copy that a rotation made of a log before truncating it, by its name and what it holds at `offset`."""
    base = Path(path)
    try:
        names = sorted(item.name for item in base.parent.iterdir() if is_rotation_of(item.name, base.name))
    except OSError:
        return None
    for name in names:
        candidate = str(base.parent / name)
        inode = None if name.endswith(COMPRESSED) else _holding(candidate, offset, tail_digest)
        if inode is not None:
            return candidate, inode
    return None


def _holding(path: str, offset: int, tail_digest: str) -> Inode | None:
    try:
        status = look(path)
        if status is None or status.st_size < offset:
            return None
        tail = Tail(path, Inode.of(status), offset)
        try:
            return tail.inode if digest(tail.before(offset)) == tail_digest else None
        finally:
            tail.close()
    except Unreadable:
        return None


def _names(path: str, inode: Inode) -> bool:
    try:
        return Inode.of(Path(path).stat()) == inode
    except OSError:
        return False
