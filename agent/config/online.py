"""Whether the machines that channels speak to can be reached: name, connection, TLS. Sends nothing else."""

import socket
import ssl
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import BaseModel

from agent.config.checks import Finding, Level
from agent.config.load import Loaded

TIMEOUT = 10.0
"""Seconds for each connection, as a person waits."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A machine to reach on behalf of one or more channels."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Probe = Callable[[Endpoint], str | None]
"""Reaches one endpoint; returns what went wrong, or None."""


def endpoints(loaded: Loaded) -> dict[Endpoint, tuple[str, ...]]:
    """Return the machines behind enabled channels with the channels' names; behind a proxy, the proxy alone."""
    proxy = loaded.settings.http.proxy
    found: dict[Endpoint, tuple[str, ...]] = {}
    for name, config in loaded.settings.channels.items():
        for url in _urls(config):
            endpoint = _endpoint(proxy.reveal() if proxy else url)
            found[endpoint] = (*found.get(endpoint, ()), name)
    return found


def _urls(config: BaseModel) -> Iterator[str]:
    """Yield the URL that an enabled channel calls, or would put before the vendor's path; some call none."""
    given = getattr(config, "address", None) or getattr(config, "base_url", None)
    if given and getattr(config, "enabled", True):
        yield str(given)


def _endpoint(url: str) -> Endpoint:
    parts = urlsplit(url)
    return Endpoint(parts.hostname or "", parts.port or PORTS.get(parts.scheme, 443), parts.scheme == "https")


def check_online(loaded: Loaded, probe: Probe, asked: Collection[str] = ()) -> list[Finding]:
    """Reach every endpoint once. One that fails is an error, since its channel cannot deliver now.

    `asked` are the channels whose providers are asked more than that, elsewhere.
    """
    found = []
    for endpoint, names in endpoints(loaded).items():
        if all(name in asked for name in names):
            continue
        channels = f"{'channel' if len(names) == 1 else 'channels'} {', '.join(names)}"
        trouble = probe(endpoint)
        if trouble:
            found.append(Finding(Level.ERROR, f"{channels}: {endpoint} cannot be reached: {trouble}"))
        else:
            found.append(Finding(Level.NOTE, f"{channels}: {endpoint} can be reached"))
    return found


def reach(endpoint: Endpoint, context: ssl.SSLContext, timeout: float = TIMEOUT) -> str | None:
    """Resolve, connect and shake hands, as a `Probe` once the context is given."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=timeout) as connection:
            if endpoint.tls:
                context.wrap_socket(connection, server_hostname=endpoint.host).close()
    except socket.gaierror as error:
        return f"its name cannot be resolved ({error.strerror})"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted ({error.verify_message}); a wrong clock or a proxy may be the cause"
    except ssl.SSLError as error:
        return f"TLS failed ({error.reason})"
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__
    return None
