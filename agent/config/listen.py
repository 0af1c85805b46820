"""Addresses to listen on: `HOST:PORT`, `[V6]:PORT` or `unix:PATH`."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT = "127.0.0.1:19400"
HIGHEST_PORT = 65_535
EXPECTED = f'"HOST:PORT" such as "{DEFAULT}", or "unix:/absolute/path"'


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address, or a Unix socket where `path` is set."""

    host: str = ""
    port: int = 0
    """0 lets the system choose."""
    path: Path | None = None

    @property
    def loopback(self) -> bool:
        """Whether only this node can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """The base URL for this node's own clients."""
        if self.path is not None:
            return f"unix:{self.path}"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def parse(text: str) -> Address:
    """Read an address. Raises ValueError that says what was expected."""
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:"))
        if not path.is_absolute():
            raise ValueError(f'found "{text}", expected {EXPECTED}')
        return Address(path=path)
    host, separator, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    plain = bool(bare) and (":" not in bare or host == f"[{bare}]")
    if not separator or not plain or not re.fullmatch("[0-9]{1,5}", port) or int(port) > HIGHEST_PORT:
        raise ValueError(f'found "{text}", expected {EXPECTED}')
    return Address(bare, int(port))
