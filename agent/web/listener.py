"""The socket of the web server, bound before anything else starts. Imports nothing of what serves on it."""

import errno
import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from agent.config.listen import Address

BACKLOG = 128
"""Connections that may wait to be accepted."""


class ListenError(Exception):
    """The address cannot be listened on; the text names it and says why."""


class Listener:
    """A listening socket. `address` has the port that was really taken."""

    def __init__(self, sock: socket.socket, address: Address) -> None:
        self.address = address
        self._socket = sock

    @classmethod
    def bind(cls, address: Address) -> Self:
        """Take the address. Raises ListenError."""
        try:
            sock = _bind_unix(address.path) if address.path else _bind_tcp(address.host, address.port)
        except OSError as error:
            text = f"cannot listen on {_shown(address)}: {_reason(error)}; name another address in [server] listen"
            raise ListenError(text) from error
        if address.path:
            return cls(sock, address)
        return cls(sock, Address(address.host, sock.getsockname()[1]))

    def share(self) -> socket.socket:
        """Another handle on the same socket, for one run of a server, which closes what it is given."""
        return self._socket.dup()

    def close(self) -> None:
        """Give the address back."""
        self._socket.close()
        if self.address.path:
            self.address.path.unlink(missing_ok=True)


def _bind_tcp(host: str, port: int) -> socket.socket:
    """Bind and listen at once, since two sockets that only bind may share an address without noticing."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with ExitStack() as on_failure:
        sock = on_failure.enter_context(socket.socket(family, kind, protocol))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        on_failure.pop_all()
        return sock


def _bind_unix(path: Path) -> socket.socket:
    """Bind for the agent's own user. The mode is set before the first connection can be made."""
    _clear_stale(path)
    with ExitStack() as on_failure:
        sock = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen(BACKLOG)
        on_failure.pop_all()
        return sock


def _clear_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more, such as an agent leaves that was killed."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file of this name that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _shown(address: Address) -> str:
    if address.path is not None:
        return f"unix:{address.path}"
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there already"
    return error.strerror or str(error)
