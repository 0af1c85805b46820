"""The room on each file system, hour by hour: the trend of weeks, which the disk rules do not remember."""

import sqlite3
from collections.abc import Iterable

from agent.core.clock import HOUR
from agent.core.disk import DiskReading
from agent.core.disk_past import Room
from agent.store.rows import printable


def save(conn: sqlite3.Connection, disks: Iterable[DiskReading], now: int) -> None:
    """Store what was measured at `now` (UTC milliseconds) in place of an earlier look within the same hour."""
    conn.executemany(
        "INSERT OR REPLACE INTO disk_hour (hour, mountpoint, used, avail, files_free) VALUES (?, ?, ?, ?, ?)",
        [
            (now - now % HOUR, printable(disk.mountpoint), disk.used_percent, disk.free_bytes, disk.files_free)
            for disk in disks
        ],
    )


def rooms(conn: sqlite3.Connection, since: int, until: int) -> dict[str, list[tuple[float, Room]]]:
    """The looks of a period by mount point, in order: percent used, and what was free."""
    found = conn.execute(
        "SELECT mountpoint, used, hour, avail, files_free FROM disk_hour WHERE hour >= ? AND hour < ? ORDER BY hour",
        (since, until),
    )
    disks: dict[str, list[tuple[float, Room]]] = {}
    for mountpoint, used, *room in found:
        disks.setdefault(mountpoint, []).append((used, Room(*room)))
    return disks

