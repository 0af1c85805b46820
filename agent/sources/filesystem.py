"""One look at one file system: the only user of `statvfs`, which may hang on whatever is not plainly local."""

import errno
import os
from collections.abc import Iterator

from agent.core.model import Sample
from agent.core.text import strip_controls
from agent.sources.mounts import Mount

BROKEN = frozenset({errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EREMOTEIO, errno.ESHUTDOWN, errno.EHOSTDOWN})
"""What a broken disk, a server that forgot us, or a file system without its process answers."""


def measure(mount: Mount) -> Iterator[Sample]:
    """Measure one file system, in bytes and inodes. Raises OSError."""
    found = os.statvfs(mount.mountpoint)
    labels = labels_of(mount)
    values = {
        "avail_bytes": found.f_bavail * found.f_frsize,
        "free_bytes": found.f_bfree * found.f_frsize,
        "size_bytes": found.f_blocks * found.f_frsize,
        "files_free": found.f_ffree,
        "files": found.f_files,
        "readonly": bool(found.f_flag & os.ST_RDONLY),
    }
    for name, value in values.items():
        yield Sample(f"filesystem_{name}", float(value), labels)


def failed(mount: Mount, error: OSError) -> Iterator[Sample]:
    """Say that a file system answers with an error; one that is not there any more, or not for us, does not."""
    if error.errno in BROKEN:
        yield Sample("filesystem_device_error", 1, {**labels_of(mount), "error": error.strerror or ""})


def labels_of(mount: Mount) -> dict[str, str]:
    """What names a file system on the metrics page."""
    places = {"mountpoint": mount.mountpoint, "device": mount.device, "fstype": mount.fstype}
    return {label: strip_controls(place) for label, place in places.items()}
