"""What the kernel says of a process: its line in `/proc/PID/stat`, and its exit status. Parsing only."""

from collections.abc import Mapping
from dataclasses import dataclass

_STATE, _PARENT, _GROUP, _SESSION, _FLAGS, _USER, _SYSTEM, _START, _EXIT = 0, 1, 2, 3, 6, 11, 12, 19, 49
"""Places of fields 3 to 6, 9, 14, 15, 22 and 52 of proc_pid_stat(5), counted after the name, which may hold blanks."""
_KERNEL_THREAD = 0x0020_0000
"""PF_KTHREAD of linux/sched.h."""

_SIGNALED = 128
"""What a shell adds to the number of the signal that ended a process."""

SIGNALS: Mapping[int, str] = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
    9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
    16: "SIGSTKFLT", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 29: "SIGIO", 30: "SIGPWR",
    31: "SIGSYS",
}  # fmt: skip
"""Signals that end a process, by their numbers in signal(7) for x86 and ARM."""


@dataclass(frozen=True, slots=True)
class ProcStat:
    """The fields used here. `start_ticks` since boot and the boot id tell a process from all that share its pid."""

    state: str
    start_ticks: int
    wait_status: int
    """As waitpid gives it, of a zombie; 0 for those who may not see it."""
    name: str = ""
    """The program's, cut by the kernel to 15 bytes; a program may change it."""
    parent: int = 0
    group: int = 0
    """The process group: a pipeline of a shell is one."""
    session: int = 0
    kernel: bool = False
    """Whether it is a thread of the kernel."""
    cpu_ticks: int = 0
    """Time of processors that it has used, all its threads together."""

    @property
    def ended(self) -> bool:
        """Whether the process has ended and at most awaits its parent."""
        return self.state in "ZXx"

    @property
    def blocked(self) -> bool:
        """Whether it waits without being interruptible: who reads its memory then may wait as long."""
        return self.state == "D"


def parse(line: str) -> ProcStat:
    """Read one line. Raises ValueError where it is none."""
    end = line.rindex(")")
    fields = line[end + 1 :].split()
    if len(fields) <= _EXIT:
        raise ValueError(f"expected at least {_EXIT + 1} fields after the name, found {len(fields)}")
    return ProcStat(
        fields[_STATE], int(fields[_START]), int(fields[_EXIT]), name=line[line.find("(") + 1 : end],
        parent=int(fields[_PARENT]), group=int(fields[_GROUP]), session=int(fields[_SESSION]),
        kernel=bool(int(fields[_FLAGS]) & _KERNEL_THREAD),
        cpu_ticks=int(fields[_USER]) + int(fields[_SYSTEM]),
    )  # fmt: skip


def exit_code(wait_status: int) -> tuple[int, str | None]:
    """Read a wait status as a shell shows it: the exit code, 128+n after signal n, and that signal's name."""
    number = wait_status & 0x7F
    if number == 0:
        return (wait_status >> 8) & 0xFF, None
    return _SIGNALED + number, SIGNALS.get(number, f"SIG{number}")
