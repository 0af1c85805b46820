"""Addresses of receivers: which may be called, and how to show one without the secret in it.

Most webhook URLs are secrets themselves, so no error here tells more of a URL than its scheme and host.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

METADATA = tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")))
"""Link-local networks and AWS's IPv6 endpoint, where clouds hand out credentials to whoever asks from inside."""
MASKED_PATH = "/***"
SCHEMES = ("https", "http")


def check_url(url: str, *, allow_insecure: bool = False) -> str:
    """Return the URL if a channel may call it. Raises ValueError that says what was expected."""
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("found a user name or password in the URL, expected credentials in a key of their own")
    host = parts.hostname or ""
    if forbidden(host):
        raise ValueError(f"found {host}, a link-local address where clouds keep credentials, expected another host")
    if parts.scheme == "http" and not allow_insecure and not is_loopback(host):
        raise ValueError(f"found plain http to {host}, expected https (or allow_insecure = true)")
    return url


def check_base(url: str, *, allow_insecure: bool = False) -> str:
    """Return a base URL without its last slash. Raises ValueError as `check_url` does, and for a query."""
    check_url(url, allow_insecure=allow_insecure)
    if "?" in url or "#" in url:
        raise ValueError("found a query or fragment in a base URL, expected scheme, host and perhaps a path")
    return url.rstrip("/")


def check_proxy(url: str) -> str:
    """Return the proxy's URL. Raises ValueError unless it is plain http, the only form whose time can be bounded."""
    if _split(url).scheme != "http":
        raise ValueError('found another scheme, expected a proxy as "http://host:port" (targets stay under TLS)')
    return url


def rebase(url: str, base: str | None) -> str:
    """Put `base` (scheme, host, optional prefix) in the place of the URL's own scheme and host."""
    if base is None:
        return url
    parts = urlsplit(url)
    return base.rstrip("/") + url[len(f"{parts.scheme}://{parts.netloc}") :]


def masked(url: str) -> str:
    """Show scheme, host and port alone."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{MASKED_PATH}"


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its very name, without asking a resolver."""
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)


def forbidden(host: str) -> bool:
    """Whether the host is an address that is never called; False for any name."""
    address = _address(host)
    return address is not None and any(address in network for network in METADATA)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _split(url: str) -> SplitResult:
    expected = 'expected a URL such as "https://host/path"'
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"found spaces, controls or letters beyond ASCII in a URL, {expected} (percent-encoded)")
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # its text would show the URL
        raise ValueError(f"found a host or port that cannot be read, {expected}") from None
    if parts.scheme not in SCHEMES or not named:
        raise ValueError(f"found no {' or '.join(SCHEMES)} URL, {expected}")
    return parts
