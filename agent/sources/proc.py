"""Single processes, seen from outside: what `/proc` tells of them, and handles that tell of their end.

A process is named by boot id, pid and start ticks, since a pid alone is soon given to another one.
"""

import fcntl
import os
import re
import select
import struct
from collections.abc import Mapping
from pathlib import Path

from agent.core import procstat
from agent.core.procstat import ProcStat
from agent.core.sightings import Big

_INFO = struct.Struct("=QQ11Ii")
"""`struct pidfd_info` of linux/pidfd.h in its first size: mask, cgroup, pid and credentials, exit status."""
_GET_INFO = (3 << 30) | (_INFO.size << 16) | (0xFF << 8) | 11
"""PIDFD_GET_INFO: _IOWR(0xFF, 11, struct pidfd_info)."""
_INFO_EXIT = 1 << 3
"""PIDFD_INFO_EXIT, kernel 6.15: the exit status is asked for; in the answer, that it is there."""
_CORE_DUMPED = 0x80
_MEMORY = 128 * 1024
"""Bytes kept of arguments and environment, which may be megabytes."""
_IDS = re.compile(rb"^(?:Uid:\t(\d+)|NSpid:\t\d+\t(?:.*\t)?(\d+)$)", re.MULTILINE)
_CAP_SYS_PTRACE = 19


def boot_id() -> str:
    """Name this boot of the kernel. Raises OSError where there is no Linux `/proc`."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def is_there() -> bool:
    """Whether there is a Linux `/proc`."""
    return Path("/proc/self/stat").exists()


def pid_namespace(pid: int | str = "self") -> int | None:
    """The namespace in which a process's pids count; None where that cannot be told."""
    try:
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino
    except OSError:
        return None


def uptime() -> float:
    """Seconds since the boot, with those that the machine was suspended: what start ticks count in."""
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def pids() -> list[int]:
    """Every process that may be seen. Raises OSError where there is no `/proc`."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - thousands of names


def stat(pid: int) -> ProcStat | None:
    """Read `/proc/PID/stat`; None if there is no such process, or none that may be seen."""
    try:
        return procstat.parse(_read(pid, "stat").decode("utf-8", "replace"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # refused where /proc hides others (hidepid=1)
        return None


def arguments(pid: int) -> tuple[str, ...]:
    """The command line, which may stand in the process's own memory: see `environ`. Raises OSError."""
    text = os.fsdecode(_read(pid, "cmdline", _MEMORY))
    return tuple(text.rstrip("\0").split("\0")) if text else ()


def environ(pid: int) -> Mapping[str, str]:
    """The environment with which a process was started. Raises OSError.

    It is read from the process's own memory. Who reads it waits for whoever holds the lock on that memory, which in a
    process that is blocked in the kernel may be for ever: ask `stat` for its state first.
    """
    pairs = (item.partition("=") for item in os.fsdecode(_read(pid, "environ", _MEMORY)).split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def credentials(pid: int) -> tuple[int | None, int | None]:
    """The real user id of a process, and its pid in a namespace of its own, if it has one; None where hidden."""
    try:
        found = _IDS.findall(_read(pid, "status"))
    except OSError:
        return None, None
    uid, inner = (next((int(pair[place]) for pair in found if pair[place]), None) for place in (0, 1))
    return uid, inner


def exists(pid: int) -> bool:
    """Whether anything lives under the pid, even where `/proc` hides other people's processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def owners(pid: int) -> tuple[int, ...] | None:
    """Real, effective, saved and file-system user ids of a process; None if it is gone."""
    return tuple(map(int, status(pid).get("Uid", ()))) or None


def status(pid: int | str) -> dict[str, tuple[str, ...]]:
    """Read `/proc/PID/status`: the words of each field by its name; empty if the process is gone or hidden."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    lines = (line.partition(":") for line in text.splitlines())
    return {name: tuple(rest.split()) for name, _, rest in lines}


def biggest(count: int, least: int) -> tuple[Big, ...]:
    """The processes that hold most host memory now, the biggest first, each at least `least` bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    held = ((_resident(pid) * page, pid) for pid in _pids())
    found = sorted((item for item in held if item[0] >= least), reverse=True)[:count]
    stats = ((pid, size, stat(pid)) for size, pid in found)
    return tuple(Big(pid, seen.name, size) for pid, size, seen in stats if seen is not None)


def _pids() -> list[int]:
    with os.scandir("/proc") as entries:
        return [int(entry.name) for entry in entries if entry.name.isdigit()]


def _resident(pid: int) -> int:
    """Pages of memory that a process holds; 0 where it has gone or may not be seen."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def open_pidfd(pid: int) -> int | None:
    """Open a handle that becomes readable when the process ends; None if it is gone.

    Raises OSError (ENOSYS, EPERM) where the kernel or a sandbox has no pidfds.
    """
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def has_pidfds() -> bool:
    """Whether handles can be opened: Linux 5.3 and later, unless a sandbox forbids it."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def ended(pidfd: int) -> tuple[bool, bool]:
    """Whether the process has ended, and whether its parent has taken notice of it."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    events = dict(poll.poll(0)).get(pidfd, 0)
    return bool(events), bool(events & select.POLLHUP)


def reaped_status(pidfd: int) -> int | None:
    """Wait status of a process whose parent has taken notice of its end; None where the kernel cannot tell (any more).

    The number in the answer means nothing unless the answer says that it is there.
    """
    answer = bytearray(_INFO.pack(_INFO_EXIT, *(0,) * 13))
    try:
        fcntl.ioctl(pidfd, _GET_INFO, answer, True)
    except OSError:  # too old a kernel, a sandbox, or a process that still lives
        return None
    mask, *_, status = _INFO.unpack(answer)
    return status & ~_CORE_DUMPED if mask & _INFO_EXIT else None


def zombie_status(pid: int, start_ticks: int) -> int | None:
    """Wait status of a process that ended and awaits its parent; None if it is another process or hidden from us.

    To those who may not trace the process the kernel shows 0, which would read as success.
    """
    allowed = _may_trace(pid)
    found = stat(pid)
    if found is None or not found.ended or found.start_ticks != start_ticks:
        return None
    return found.wait_status if found.wait_status or allowed else None


def tells_exit_status() -> bool:
    """Try, with a child of our own, whether this kernel tells of an exit after somebody has waited for it."""
    import subprocess  # deferred: those who only look at processes start none

    try:
        child = subprocess.Popen(["/bin/sh", "-c", "exit 7"], stdin=subprocess.DEVNULL)
    except OSError:
        return False
    with child:
        handle = os.pidfd_open(child.pid)
        child.wait()
    status = reaped_status(handle)
    os.close(handle)
    return status == 7 << 8


def _read(pid: int, name: str, size: int = 4096) -> bytes:
    """Read the beginning of a file in `/proc/PID`. Without a path object, which costs more than the reading itself."""
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def _may_trace(pid: int) -> bool:
    uids, mine = owners(pid), os.geteuid()
    if uids is not None and set(uids) == {mine}:
        return True
    capabilities = status("self").get("CapEff", ("0",))[0]
    return bool(int(capabilities, 16) & (1 << _CAP_SYS_PTRACE))
