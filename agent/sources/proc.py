"""Single processes, seen from outside: what `/proc` tells of them, and handles that tell of their end.

A process is named by boot id, pid and start ticks, since a pid alone is soon given to another one.
"""

import fcntl
import os
import select
import struct
from pathlib import Path

from agent.core import procstat
from agent.core.procstat import ProcStat

_INFO = struct.Struct("=QQ11Ii")
"""`struct pidfd_info` of linux/pidfd.h in its first size: mask, cgroup, pid and credentials, exit status."""
_GET_INFO = (3 << 30) | (_INFO.size << 16) | (0xFF << 8) | 11
"""PIDFD_GET_INFO: _IOWR(0xFF, 11, struct pidfd_info)."""
_INFO_EXIT = 1 << 3
"""PIDFD_INFO_EXIT, kernel 6.15: the exit status is asked for; in the answer, that it is there."""
_CORE_DUMPED = 0x80
_CAP_SYS_PTRACE = 19


def boot_id() -> str:
    """Name this boot of the kernel. Raises OSError where there is no Linux `/proc`."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def pid_namespace(pid: int | str = "self") -> int | None:
    """The namespace in which a process's pids count; None where that cannot be told."""
    try:
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino
    except OSError:
        return None


def uptime() -> float:
    """Seconds since the boot, with those that the machine was suspended: what start ticks count in."""
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def stat(pid: int) -> ProcStat | None:
    """Read `/proc/PID/stat`; None if there is no such process, or none that may be seen."""
    try:
        return procstat.parse(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # refused where /proc hides others (hidepid=1)
        return None


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


def _may_trace(pid: int) -> bool:
    uids, mine = owners(pid), os.geteuid()
    if uids is not None and set(uids) == {mine}:
        return True
    capabilities = status("self").get("CapEff", ("0",))[0]
    return bool(int(capabilities, 16) & (1 << _CAP_SYS_PTRACE))
