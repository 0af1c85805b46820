"""Sends the signs of life of `[heartbeat]` over HTTP, as healthchecks takes them: the URL, or its `/fail` form."""

from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

from agent import channel_wiring
from agent.config.load import Loaded
from agent.core.clock import Clock
from agent.core.redact import Redactor

TIMEOUT = 10.0
"""Seconds for one sign."""


def ping(loaded: Loaded, clock: Clock) -> Callable[[bool], None] | None:
    """What sends one sign, of health (True) or of trouble, and raises SendError; None where no URL is configured."""
    from agent.channels.shared.exchange import Request, classify_status  # deferred: most agents send none

    secret = loaded.settings.heartbeat.url
    if secret is None:
        return None
    redactor = Redactor(loaded.secrets)

    def send(well: bool) -> None:  # noqa: FBT001 - what it tells
        url = secret.reveal() if well else failing(secret.reveal())
        equipment = channel_wiring.tools(loaded, redactor, clock)
        with closing(equipment.http) as client:  # a connection would lie idle till the next
            response = client.request(Request("GET", url, {}), TIMEOUT)
        error = classify_status(response, clock.now().wall, redactor)
        if error is not None:
            raise error

    return send


def failing(url: str) -> str:
    """The form of a URL that tells of trouble; a query stays where it is."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
