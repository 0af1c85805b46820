"""Asks the running agent over its own HTTP address; with the standard library alone, so that it is quick to load."""

import http.client
import json
import socket
from collections.abc import Mapping
from urllib.parse import quote, urlencode

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

    def between(self, since: int, until: int) -> list[dict[str, Json]]:
        """What was decided in a period (UTC milliseconds), alert by alert."""
        return self._list("/api/alerts/decisions", "alerts", {"since": rfc3339(since), "until": rfc3339(until)})

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
        connection = _connection(self._address, self._patience)
        try:
            connection.request("GET", target, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"no agent answers at {self._address.url}: {_reason(error)}") from None
        finally:
            connection.close()
        if response.status == http.client.NOT_FOUND:
            return None
        if response.status != http.client.OK:
            raise Failed(f"the agent at {self._address.url} says: {_message(body, response.status)}")
        return body


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(address: Address, timeout: float) -> http.client.HTTPConnection:
    if address.path is not None:
        return _UnixConnection(str(address.path), timeout)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - compared, not bound
    return http.client.HTTPConnection(host, address.port, timeout=timeout)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "what answers there is no gpuwarden"


def _message(body: Json, status: int) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error["message"]) if isinstance(error, dict) and "message" in error else f"HTTP {status}"
