"""Block devices by the names under `/dev` that they are mounted by, and what stands on which."""

import os
from collections.abc import Iterator
from pathlib import Path

from agent.core.disk import part_of

SYSTEM = Path("/sys/class/block")
REDUNDANT = frozenset({"raid1", "raid4", "raid5", "raid6", "raid10"})
"""Levels of arrays that go on without one of their members."""
MULTIPATH = "mpath-"
"""How the UUID of a mapped device begins that reaches one disk by several ways."""


def named(device: str, system: Path = SYSTEM) -> str:
    """The name of a device under `/dev`: mapped ones have a number and a name, and the kernel writes `!` for `/`."""
    name = _text(system / device / "dm/name") if device.startswith("dm-") else None
    return device.replace("!", "/") if name is None else f"mapper/{name}"


def standing_on(device: str, system: Path = SYSTEM) -> tuple[str, ...]:
    """What loses data with a device: its partitions, and the volumes and arrays that are built on them, by name.

    What is redundant does not: an array that goes on without one of its members, a disk that is reached another way.
    """
    try:
        pending = [name for name in os.listdir(system) if part_of(name, device)]  # noqa: PTH208 - names alone
    except OSError:
        return ()
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += (holder for holder in _holders(system / name) if not _redundant(system / holder))
    return tuple(sorted(named(name, system) for name in found))


def _holders(device: Path) -> Iterator[str]:
    try:
        yield from os.listdir(device / "holders")  # noqa: PTH208 - names alone
    except OSError:
        return


def _redundant(device: Path) -> bool:
    return _text(device / "md/level") in REDUNDANT or (_text(device / "dm/uuid") or "").startswith(MULTIPATH)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
