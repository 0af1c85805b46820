"""Space put by for the day the disk is full: a file beside the database that can be given up at once."""

import os
from pathlib import Path

RESERVE_BYTES = 16 * 1024 * 1024
"""Alerting reference R-10.3: enough for some thousand commits of one alert each."""

LEAST_FREE = 256 * 1024
"""Bytes: the write-ahead log of a commit or two."""

_CHUNK = 1024 * 1024
_SMALLEST_SHARE = 8
"""The reserve takes at most one eighth of its file system."""


class Reserve:
    """The reserve file at `path`; any thread may give it up, one thread puts it back."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self.path = path
        self._size = size

    @property
    def present(self) -> bool:
        """Whether there is something to give up."""
        return self.path.is_file()

    @property
    def tight(self) -> bool:
        """Whether next to nothing is free beside it, so that the next commit may need it."""
        try:
            return self._room()[1] < LEAST_FREE
        except OSError:
            return False

    def release(self) -> bool:
        """Give the space back to the file system; False if it was already gone."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True

    def restore(self) -> bool:
        """Put the reserve back if twice its size is free. Returns whether it is there, whole, afterwards."""
        try:
            size, free = self._room()
            if self.present and self.path.stat().st_size == size:
                return True
            if free < 2 * size:
                return False
            self._write(size)
        except OSError:
            self.release()  # a part of it would only look like a reserve
            return False
        return self.present

    def _room(self) -> tuple[int, int]:
        """The size to take here and the bytes that are free."""
        disk = os.statvfs(self.path.parent)
        return min(self._size, disk.f_frsize * disk.f_blocks // _SMALLEST_SHARE), disk.f_frsize * disk.f_bavail

    def _write(self, size: int) -> None:
        """Write random bytes: holes take no space, and a compressing file system would make nothing of zeros."""
        noise = os.urandom(min(size, _CHUNK))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for start in range(0, size, _CHUNK):
                file.write(noise[: size - start])
            file.flush()
            os.fsync(file.fileno())
