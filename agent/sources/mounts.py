"""The table of mounted file systems: read, decoded, and sorted by what may be touched.

A look at a network or FUSE mount may hang so that not even SIGKILL ends it. Nothing here looks at any mount that is not
known to be local; to follow a symbolic link, only directories on local ones are read.
"""

import errno
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

DISKS = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "reiserfs", "xfs", "zfs"})
"""Types that keep data on the node's own disks; zfs names a dataset as its device."""
LOCAL = DISKS | {
    "devtmpfs", "erofs", "exfat", "iso9660", "ntfs3", "overlay", "ramfs", "rootfs", "squashfs", "tmpfs", "udf", "vfat",
}
"""Types that answer from this kernel alone; every other one may wait for somebody else."""
REMOTE = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2",
    "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "wekafs",
})  # fmt: skip
"""Network and user-space types that people keep training data on; `fuse.NAME` belongs to them."""

MOUNT_TABLE = Path("/proc/self/mounts")
DESKTOP = ("/run/", "/snap/", "/var/lib/lxcfs", "/var/lib/snapd/")
"""Where desktops and package tools mount what nobody wants watched."""
LINKS_AT_MOST = 40
"""As many symbolic links as Linux itself follows in one path."""

_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table. Bytes that are no UTF-8 are surrogates, as everywhere in Python's file names."""

    device: str
    mountpoint: str
    fstype: str

    @property
    def local(self) -> bool:
        """Whether a look at it cannot hang."""
        return self.fstype in LOCAL

    @property
    def remote(self) -> bool:
        """Whether it is known to need a network or another process."""
        return self.fstype in REMOTE or self.fstype.startswith("fuse.")

    def __str__(self) -> str:
        return f"{self.mountpoint} ({self.fstype})"


class NotWatchable(Exception):  # noqa: N818 - a state of the world, not a fault
    """A path whose file system cannot be looked at; the text says why."""


class NotLocal(NotWatchable):
    """A path that leads to `mount`, which may hang whoever looks at it."""

    def __init__(self, path: str, mount: Mount) -> None:
        super().__init__(f"{path}: on {mount}, which is not a local file system and could hang whoever looks at it")
        self.mount = mount


class Reach:
    """Which paths a process may touch: those on local file systems, or those of the one mount that it is there for.

    `within`: the mount point of that mount. Nothing that is out of reach is ever looked at.
    """

    def __init__(self, within: str | None = None, table: Path = MOUNT_TABLE) -> None:
        self._within = within
        self._table = table
        self._mounts: tuple[Mount, ...] = ()
        self._places: dict[str, Mount] = {}
        self._folders: dict[str, bool] = {}
        self.renew()

    def renew(self) -> None:
        """Read the table of mounts again; without one everything is in reach."""
        try:
            mounts = parse(self._table.read_bytes())
        except OSError:
            mounts = ()
        if mounts != self._mounts:
            self._mounts = mounts
            self._places = {mount.mountpoint: mount for mount in mounts}
        self._folders.clear()

    def folder(self, path: str) -> bool:
        """Whether a folder may be looked into; remembered until the table is read again."""
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = self.file(path)
        return known

    def own(self, path: str) -> bool:
        """Whether a name in a folder that is in reach is not itself the place of a mount out of reach."""
        mount = self._places.get(path)
        return mount is None or (mount.local if self._within is None else path == self._within)

    def file(self, path: str) -> bool:
        """Whether a path may be looked at, wherever its symbolic links lead."""
        if not self._mounts:
            return True
        away = leads_away(path, self._mounts)
        return (away.mountpoint if away is not None else None) == self._within


def parse(table: bytes) -> tuple[Mount, ...]:
    """Read the text of `/proc/self/mounts`. A later mount on the same place hides the earlier one."""
    mounts: dict[str, Mount] = {}
    for line in table.splitlines():
        words = [decoded(word) for word in line.split(b" ")]
        if len(words) > 2:  # noqa: PLR2004 - device, place, type, then options
            mounts[words[1]] = Mount(*words[:3])
    return tuple(mounts.values())


def disks(mounts: Iterable[Mount]) -> list[Mount]:
    """Choose the mounts that hold the node's own data, shortest first.

    That is every type of `DISKS`, and a container's `/`; without images on loop devices and what desktops mount.
    """
    chosen = [
        mount
        for mount in mounts
        if (mount.fstype in DISKS or (mount.fstype, mount.mountpoint) == ("overlay", "/"))
        and not mount.device.startswith("/dev/loop")
        and not mount.mountpoint.startswith(DESKTOP)
    ]
    return sorted(chosen, key=lambda mount: (len(mount.mountpoint), mount.mountpoint))


def remote(mounts: Iterable[Mount]) -> list[Mount]:
    """List the network and FUSE mounts that people may expect to be watched."""
    return [mount for mount in mounts if mount.remote and not mount.mountpoint.startswith(DESKTOP)]


def leads_away(path: str, mounts: Collection[Mount]) -> Mount | None:
    """The mount that a path leads to, if that may hang whoever looks at it; what is not there leads nowhere."""
    try:
        locate(Path(path), mounts)
    except NotLocal as found:
        return found.mount
    except NotWatchable:
        return None
    return None


def holder(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """Find the mount that holds an absolute path, by its name alone; None in a root whose own mount is out of sight."""
    inside = [mount for mount in mounts if f"{path}/".startswith(f"{mount.mountpoint.rstrip('/')}/")]
    return max(inside, key=lambda mount: len(mount.mountpoint), default=None)


def locate(path: Path, mounts: Collection[Mount]) -> Mount:
    """Find the mount that holds a path, following symbolic links as long as they stay on local file systems.

    Raises NotWatchable where the path leads to another file system, or nowhere.
    """
    place, ahead, links = "/", list(reversed(path.parts[1:])), 0
    while ahead:
        name = ahead.pop()
        if name == "..":
            place = os.path.dirname(place)  # noqa: PTH120 - a Path would cost more than it tells
            continue
        step = f"{place.rstrip('/')}/{name}"
        target = _link(path, step, mounts)
        if target is None:
            place = step
        elif (links := links + 1) > LINKS_AT_MOST:
            raise NotWatchable(f"{path}: its symbolic links go in circles")
        elif target.is_absolute():
            place, ahead = "/", [*ahead, *reversed(target.parts[1:])]
        else:
            ahead += reversed(target.parts)
    return _local(path, place, mounts)


def _link(path: Path, step: str, mounts: Collection[Mount]) -> Path | None:
    """Where `step` points to, or None if it is no symbolic link."""
    _local(path, step, mounts)
    try:
        return Path(os.readlink(step))  # noqa: PTH115 - a text already
    except FileNotFoundError:
        raise NotWatchable(f"{path}: does not exist") from None
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise NotWatchable(f"{path}: {error.strerror}") from None


def _local(path: Path, step: str, mounts: Collection[Mount]) -> Mount:
    mount = holder(step, mounts)
    if mount is None:
        raise NotWatchable(f"{path}: on no file system that the table of mounts shows")
    if not mount.local:
        raise NotLocal(str(path), mount)
    return mount


def decoded(word: bytes) -> str:
    """Undo the kernel's octal escapes for blanks, line ends, `#` and backslashes."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), word))
