"""The files that a process holds open, as `/proc/PID/fd` shows them: names only; nothing that they lead to is touched.

psutil's `open_files` asks every file for its type, and would hang with the network mount that one of them lies on.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

STDOUT, STDERR = 1, 2
FILES_AT_MOST = 4_096
"""Open files of one process that are looked at."""

_FIELD = re.compile(r"^(pos|flags|mnt_id):\s+(\d+)$", re.MULTILINE)
_COMPUTES = re.compile(r"/dev/(?:nvidia-uvm|kfd|accel/accel\d+|accel\d+|davinci\d+|habanalabs/hl\d+|neuron\d+)")
"""Devices that only who computes holds open; monitors (through NVML) and desktops open others of the same GPU."""
_RENDERS = re.compile(r"/dev/dri/renderD\d+")
"""Devices of Intel GPUs that who computes holds open, and who draws, too."""
_RAY_DRIVER = re.compile(r"/python-core-driver-([0-9a-f]{8})[0-9a-f]+_\d+\.log$")
_RAY_WORKER = re.compile(r"/worker-[0-9a-f]+-([0-9a-f]{8})-\d+\.(?:out|err)$")
"""How Ray names its logs: after the job for which a worker works; a driver's own id begins with it."""

Links = Mapping[int, str]
"""What each descriptor leads to."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What `/proc/PID/fdinfo/N` tells of an open file."""

    position: int
    flags: int
    mount: int

    @property
    def writes(self) -> bool:
        """Whether it may be written to."""
        return self.flags & os.O_ACCMODE != os.O_RDONLY

    @property
    def reads(self) -> bool:
        """Whether it may be read from."""
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def appends(self) -> bool:
        """Whether each write goes to the end, so that nothing tells how long the file was before."""
        return bool(self.flags & os.O_APPEND)


def links(pid: int) -> Links | None:
    """Where the descriptors of a process lead; None where they may not be seen, or it has gone."""
    folder = f"/proc/{pid}/fd"
    found: dict[int, str] = {}
    try:
        with os.scandir(folder) as entries:
            numbers = [entry.name for _, entry in zip(range(FILES_AT_MOST), entries, strict=False)]
    except OSError:
        return None
    for number in numbers:
        try:
            found[int(number)] = os.readlink(f"{folder}/{number}")  # noqa: PTH115 - thousands of them
        except OSError:
            continue  # closed meanwhile
    return found


def info(pid: int, number: int) -> FileInfo | None:
    """How one file is open; None if it is no more."""
    try:
        text = Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = dict(_FIELD.findall(text))
    if not {"pos", "flags"} <= fields.keys():
        return None
    return FileInfo(int(fields["pos"]), int(fields["flags"], 8), int(fields.get("mnt_id", -1)))


def holds_gpu(targets: Iterable[str], *, may_draw: bool) -> bool:
    """Whether a GPU is held for computing. `may_draw`: the program may be one that draws."""
    return any(_COMPUTES.match(target) or (not may_draw and _RENDERS.match(target)) for target in targets)


def ray_job(targets: Iterable[str]) -> str | None:
    """The job of Ray that a process drives or works for, by the names of its logs."""
    found = (_RAY_DRIVER.search(target) or _RAY_WORKER.search(target) for target in targets if "/logs/" in target)
    return next((match[1] for match in found if match), None)
