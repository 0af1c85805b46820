"""The network beneath the HTTP client: every operation ends at one deadline, and some addresses are never called.

httpcore hands each operation the number that the request was given as its time-out. Here that number is not a length
of time but the instant, on the monotonic clock, at which the whole request must be over; each operation is allowed
what is left until then. So a server that drips headers or body a byte at a time gains nothing. Only the look-up of a
name is beyond it: the system's resolver keeps its own time, and what it takes is missing afterwards.
"""

import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from agent.channels.shared.urls import forbidden
from agent.core.clock import Clock

CONNECT_LIMIT = 5.0
"""Seconds for a TCP connection, all addresses of the host together."""
SLICE = 16_384
"""Bytes written under one time-out, since the socket applies it anew after each part it takes."""

SocketOptions = Iterable[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]]


class AddressRefused(Exception):  # noqa: N818 - a rule, not a fault
    """The receiver's name leads to an address that is never called."""


class Wire(httpcore.NetworkBackend):
    """Opens connections; judges the very address that is connected to, so that a name cannot change its mind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        """Connect to the first address that answers; `timeout` is the deadline."""
        addresses = _addresses(host, port)
        limit = self._clock.now().monotonic + CONNECT_LIMIT
        until = limit if timeout is None else min(limit, timeout)
        for waiting, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                left = _left(self._clock, until, httpcore.ConnectTimeout) / waiting
                stream = self._plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if waiting == 1:
                    raise
            else:
                return _Stream(stream, self._clock)
        raise httpcore.ConnectError("no address")


class _Stream(httpcore.NetworkStream):
    def __init__(self, plain: httpcore.NetworkStream, clock: Clock) -> None:
        self._plain = plain
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, _left(self._clock, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), SLICE):
            self._plain.write(buffer[start : start + SLICE], _left(self._clock, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            left = _left(self._clock, timeout, httpcore.ConnectTimeout)
        except httpcore.ConnectTimeout:
            self.close()
            raise
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)


def _left(clock: Clock, until: float | None, error: type[httpcore.TimeoutException]) -> float:
    if until is None:
        return CONNECT_LIMIT
    left = until - clock.now().monotonic
    if left <= 0:
        raise error("the deadline has passed")
    return left


def _addresses(host: str, port: int) -> list[str]:
    """Look the name up, once. Raises AddressRefused if any of its addresses is forbidden; OSError if it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if any(map(forbidden, addresses)):
        raise AddressRefused(host)
    return addresses
