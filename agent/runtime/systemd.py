"""Tells systemd how the service is (sd_notify(3)). Without systemd every call does nothing; none ever raises."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

USEC = 1_000_000
"""Microseconds in a second."""


class Notifier:
    """Sends datagrams to the socket that systemd named; `address` is None where it named none.

    `watchdog_interval` is how often to call `watchdog`, in seconds: half of what systemd waits for; None if it does
    not watch this process.
    """

    def __init__(self, address: str | None, watchdog_interval: float | None = None) -> None:
        self._address = address
        self.watchdog_interval = watchdog_interval

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; an `@` stands for an abstract socket's NUL."""
        name = environ.get("NOTIFY_SOCKET", "")
        if not name.startswith(("/", "@")):
            return cls(None)
        address = f"\0{name[1:]}" if name.startswith("@") else name
        return cls(address, _watchdog_interval(environ))

    def ready(self) -> None:
        """The service is up, or has finished reloading."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={' '.join(text.split())}")

    def watchdog(self) -> None:
        """The service makes progress; the caller decides what counts as that."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service is ending."""
        self._send("STOPPING=1")

    def reloading(self, monotonic_usec: int) -> None:
        """The service begins to reload, at this moment of CLOCK_MONOTONIC in microseconds; end it with `ready`."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_usec}")

    def _send(self, text: str) -> None:
        if self._address is None:
            return
        # A missing or overloaded service manager is no reason to stop monitoring.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            sender.connect(self._address)
            sender.send(text.encode("utf-8", "replace"))


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    for_another = pid and pid != str(os.getpid())
    if for_another or not usec.isdecimal() or int(usec) == 0:
        return None
    return int(usec) / USEC / 2
