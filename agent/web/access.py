"""Who may ask what: which `Host` names are ours, and which requests come from this node itself.

The first keeps a web page elsewhere from reaching the agent by a name that it makes resolve to loopback (DNS
rebinding); the second keeps everything but health and metrics on the node. Knows nothing of routes' contents.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.config.listen import Address
from agent.web.errors import error_response

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
PRIVATE = "/api/"
"""What begins with this is for the node itself."""
FORWARDING = ("forwarded", "x-forwarded-for")
"""Headers of a proxy, behind which the client may be anybody."""


@dataclass(frozen=True, slots=True)
class Access:
    """`hosts` are names that a `Host` header may have besides loopback names and IP literals; `unix` is set where
    the server listens on a Unix socket, whose clients are on this node and name no host.
    """

    hosts: frozenset[str] = frozenset()
    unix: bool = False

    @classmethod
    def to(cls, address: Address, allowed_hosts: Iterable[str] = ()) -> Self:
        """Access to a server that listens on `address`."""
        names = {name.lower().rstrip(".") for name in (address.host, *allowed_hosts) if name}
        return cls(frozenset(names), address.path is not None)

    def names_us(self, host: str) -> bool:
        """Whether a `Host` header names this server."""
        name = _without_port(host).lower().rstrip(".")
        return self.unix or name in LOOPBACK_NAMES or name in self.hosts or _address(name) is not None

    def from_here(self, client: str | None, headers: Headers) -> bool:
        """Whether a request comes from this node and from no proxy on it."""
        if any(name in headers for name in FORWARDING):
            return False
        return self.unix or (client is not None and _is_loopback(client))


class Gate:
    """ASGI middleware that lets in what `access` allows and answers the rest itself."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.names_us(hosts[0]):
            return error_response(400, "bad_host", "the Host header names no address of this server", "Host")
        if not scope["path"].startswith(PRIVATE):
            return None
        if "authorization" in headers:  # no token has been set up that it could match
            return error_response(401, "bad_token", "this token is not known")
        client = scope.get("client")
        if not self._access.from_here(client[0] if client else None, headers):
            return error_response(401, "unauthorized", "only this node may ask without a token")
        return None


def _without_port(host: str) -> str:
    """The host of `NAME:PORT` or `[V6]:PORT`; the port may be missing."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_loopback(client: str) -> bool:
    address = _address(client)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback
