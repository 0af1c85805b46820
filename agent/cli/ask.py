"""Asks the running agent over its own HTTP address."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import httpx

from agent.cli.show import Failed
from agent.config.listen import Address
from agent.core.clock import SECOND
from agent.core.model import Json
from agent.core.payload import rfc3339
from agent.core.record import HistoryQuery

PATIENCE = 10.0
"""Seconds to wait for an answer: the agent's store may be busy for 5."""


class NoAnswer(Exception):  # noqa: N818 - names what was heard
    """No agent answers at the address; the text says why."""


class RunningAgent:
    """The agent behind an address. Every method raises NoAnswer, or Failed with what the agent says."""

    def __init__(self, address: Address, *, patience: float = PATIENCE) -> None:
        self._address = address
        self._patience = patience

    def status(self) -> dict[str, Json]:
        """What is watched and how it is."""
        found: dict[str, Json] = self._get("/api/status")
        return found

    def history(self, query: HistoryQuery) -> list[dict[str, Json]]:
        """Alerts with their deliveries, newest first."""
        params = {
            "since": f"{query.since / SECOND:.3f}s", "type": query.type, "job": query.job, "channel": query.channel,
            "limit": query.limit,
        }  # fmt: skip
        return self._list("/api/alerts/history", "alerts", params)

    def explain(self, alert_id: str) -> dict[str, Json] | None:
        """The chain of one alert; None if there is no such alert."""
        found: dict[str, Json] | None = self._get(f"/api/alerts/{quote(alert_id, safe='')}/explain")
        return found

    def between(self, since: int, until: int) -> dict[str, Json]:
        """What was told, held back and left out in a period (UTC milliseconds), and why."""
        found = self._get(f"/api/alerts/decisions?{urlencode({'since': rfc3339(since), 'until': rfc3339(until)})}")
        if found is None or "story" not in found:
            raise Failed(f"the agent at {self._address.url} is of another version, which cannot tell this")
        period: dict[str, Json] = found
        return period

    def queue(self) -> list[dict[str, Json]]:
        """The deliveries that wait or are dead."""
        return self._list("/api/queue", "deliveries", {})

    def silences(self) -> list[dict[str, Json]]:
        """The silences that are not over."""
        return self._list("/api/silences", "silences", {})

    def _list(self, path: str, key: str, params: Mapping[str, Json]) -> list[dict[str, Json]]:
        given = {name: value for name, value in params.items() if value is not None}
        answer = self._get(f"{path}?{urlencode(given)}")
        if answer is None:
            raise Failed(f"the agent at {self._address.url} is of another version, which cannot tell this")
        found: list[dict[str, Json]] = answer[key]
        return found

    def _get(self, target: str) -> Json:
        """The answer's body; None for 404."""
        try:
            with _client(self._address, self._patience) as client:
                response = client.get(target)
                body = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NoAnswer(f"no agent answers at {self._address.url}: {_reason(error)}") from None
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code != httpx.codes.OK:
            raise Failed(f"the agent at {self._address.url} says: {_message(body, response.status_code)}")
        return body


def _client(address: Address, timeout: float) -> httpx.Client:
    """A client of the agent on this node: no proxy, no redirect, no environment."""
    transport = httpx.HTTPTransport(uds=None if address.path is None else str(address.path))
    base = "http://localhost" if address.path is not None else address.url
    return httpx.Client(base_url=base, transport=transport, timeout=timeout, trust_env=False)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    if isinstance(error, httpx.ConnectError):
        return str(error).rpartition("] ")[2]  # "[Errno 111] Connection refused"
    return "what answers there is no gpuwarden"


def _message(body: Json, status: int) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error["message"]) if isinstance(error, dict) and "message" in error else f"HTTP {status}"
