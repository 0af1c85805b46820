"""Whether a file system is one to trust the agent's memory to; read from the text of `/proc/mounts`."""

import re
from pathlib import PurePath

_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.juicefs", "fuse.s3fs", "fuse.sshfs",
    "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs",
})
_FLEETING = {
    "overlay": "is a container's own layer and goes with the container: mount a volume there",
    "tmpfs": "is memory and is lost at the next start of the machine",
    "ramfs": "is memory and is lost at the next start of the machine",
}


def warning(path: PurePath, mounts: str) -> str | None:
    """What is wrong with keeping state at `path` (absolute, without links), None if nothing is known."""
    kind = _file_system(path, mounts)
    if kind in _NETWORK:
        return f"{path} is on a network file system ({kind}), where SQLite cannot keep data safe: choose a local disk"
    if kind in _FLEETING:
        return f"{path} is on {kind}, which {_FLEETING[kind]}"
    return None


def _file_system(path: PurePath, mounts: str) -> str | None:
    """The type of the mount nearest to `path`; of mounts over one another the last one counts."""
    nearest, kind = -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, type
            continue
        point = PurePath(_unescape(fields[1]))
        if path.is_relative_to(point) and len(point.parts) >= nearest:
            nearest, kind = len(point.parts), fields[2]
    return kind


def _unescape(field: str) -> str:
    r"""Undo the kernel's octal escapes of blanks and backslashes, for example `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
