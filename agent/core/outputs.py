"""What a program's output goes to, by the names that `/proc/PID/fd` gives, and why some of it is not read. Pure."""

import re
from dataclasses import dataclass

from agent.core.log_names import COMPRESSED

_PIPE = re.compile(r"pipe:\[(\d+)\]")
_TERMINAL = re.compile(r"/dev/(?:pts/\d+|tty\w*|console)")
_DEVICE = re.compile(r"/dev/(?!shm/)|/proc/|/sys/")
_DELETED = " (deleted)"
_WRITE_A_FILE = "start it with `> train.log 2>&1`, or with `| tee train.log`"


@dataclass(frozen=True, slots=True)
class Output:
    """Where output goes: to the file `path`, into the pipe of the number `pipe`, or nowhere that can be read."""

    path: str | None = None
    pipe: int | None = None
    trouble: str | None = None
    """Why it is not read, with what to do about it."""


def output(target: str) -> Output:
    """Say what a descriptor leads to. `target`: the text of the link in `/proc/PID/fd`."""
    pipe = _PIPE.fullmatch(target)
    if pipe is not None:
        return Output(pipe=int(pipe[1]))
    if not target.startswith("/"):
        return Output(trouble=_no_file(target))
    if target == "/dev/null":
        return Output(trouble=f"is thrown away (/dev/null): {_WRITE_A_FILE}")
    if _TERMINAL.fullmatch(target):
        return Output(trouble=f"goes to a terminal ({target}), which only its reader sees: {_WRITE_A_FILE}")
    if _DEVICE.match(target):
        return Output(trouble=f"goes to {target}, which is no file: {_WRITE_A_FILE}")
    if target.endswith(_DELETED):
        gone = target.removesuffix(_DELETED)
        return Output(trouble=f"goes to {gone}, which was deleted: it is lost with the end of the program")
    if target.endswith(COMPRESSED):
        return Output(trouble=f"goes to {target}, which is compressed: {_WRITE_A_FILE}")
    return Output(path=target)


def unread_pipe(reader: str | None) -> str:
    """Why nothing is read of what goes into a pipe. `reader`: the program at its other end, if that was found."""
    whom = f"to {reader}, which writes no file" if reader else "to a program that is not seen"
    return f"goes through a pipe {whom}: {_WRITE_A_FILE}"


def _no_file(target: str) -> str:
    if target.startswith("socket:"):
        unit = "let its unit write a file (StandardOutput=append:/path/train.log)"
        return f"goes to a socket, such as that of the journal: {unit}, or {_WRITE_A_FILE}"
    return f"goes to {target}, which is no file: {_WRITE_A_FILE}"
