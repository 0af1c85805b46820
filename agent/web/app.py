"""The HTTP routes over a `View` of the agent: health, metrics, and what the commands show. Holds no state itself."""

from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.core.model import Json
from agent.core.record import HistoryQuery
from agent.store.errors import StoreError
from agent.web.access import Access, Gate
from agent.web.errors import HEADERS, BadParameter, error_response
from agent.web.query import history_query, period_query

OPENMETRICS = "application/openmetrics-text"


class View(Protocol):
    """What the web server may see of the agent.

    `healthy` and `ready` are called on the server's own thread and must not block: a store that hangs must not make
    the agent look dead. The others may block, raise StoreError, and run on threads that change from call to call.
    """

    def metrics(self, *, openmetrics: bool) -> tuple[bytes, str]:
        """The metrics page and its content type."""
        ...

    def healthy(self) -> bool:
        """Whether the agent is alive."""
        ...

    def ready(self) -> list[str]:
        """What keeps the agent from doing its work; empty if nothing does."""
        ...

    def status(self) -> dict[str, Json]:
        """What `status --json` prints."""
        ...

    def history(self, query: HistoryQuery) -> list[dict[str, Json]]:
        """What `history --json` prints, newest first."""
        ...

    def explain(self, alert_id: str) -> dict[str, Json] | None:
        """What `explain --json` prints; None if there is no such alert."""
        ...

    def between(self, since: int, until: int) -> dict[str, Json]:
        """What `explain --between --json` prints; the period is in UTC milliseconds."""
        ...

    def queue(self) -> list[dict[str, Json]]:
        """What `queue list --json` prints."""
        ...

    def silences(self) -> list[dict[str, Json]]:
        """What `silence list --json` prints."""
        ...


def build(view: View, access: Access) -> Starlette:
    """Make the ASGI application."""
    routes = Routes(view)
    app = Starlette(
        routes=[
            Route("/healthz", routes.healthz),
            Route("/readyz", routes.readyz),
            Route("/metrics", routes.metrics),
            Route("/api/status", routes.status),
            Route("/api/alerts/history", routes.history),
            Route("/api/alerts/decisions", routes.decisions),
            Route("/api/alerts/{id}/explain", routes.explain),
            Route("/api/queue", routes.queue),
            Route("/api/silences", routes.silences),
        ],
        middleware=[Middleware(Gate, access=access)],
        exception_handlers={
            HTTPException: _http_error,
            BadParameter: _bad_parameter,
            StoreError: _store_error,
            Exception: _fault,
        },
    )
    app.router.redirect_slashes = False  # a redirect would name whatever host the request named
    return app


class Routes:
    """One method a route. Those that are not `async` run in the server's few reading threads."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def healthz(self, request: Request) -> Response:  # noqa: ARG002 - the shape of an endpoint
        """Alive."""
        healthy = self._view.healthy()
        return _answer({"healthy": healthy}, 200 if healthy else 503)

    async def readyz(self, request: Request) -> Response:  # noqa: ARG002 - the shape of an endpoint
        """Ready, or why not."""
        reasons = self._view.ready()
        return _answer({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    def metrics(self, request: Request) -> Response:
        """The page in the format that the scraper accepts."""
        page, media_type = self._view.metrics(openmetrics=OPENMETRICS in request.headers.get("accept", ""))
        return Response(page, headers={**HEADERS, "Content-Type": media_type})

    def status(self, request: Request) -> Response:  # noqa: ARG002 - the shape of an endpoint
        """What is watched and how it is."""
        return _answer(self._view.status())

    def history(self, request: Request) -> Response:
        """Alerts with their deliveries, newest first."""
        return _answer({"alerts": self._view.history(history_query(request.query_params))})

    def explain(self, request: Request) -> Response:
        """Why an alert was or was not told."""
        alert_id = request.path_params["id"]
        explanation = self._view.explain(alert_id)
        if explanation is None:
            return error_response(404, "not_found", f"there is no alert {alert_id!r}", "id")
        return _answer(explanation)

    def decisions(self, request: Request) -> Response:
        """What was told, held back and left out in a period, and why."""
        return _answer(self._view.between(*period_query(request.query_params)))

    def queue(self, request: Request) -> Response:  # noqa: ARG002 - the shape of an endpoint
        """What waits, and what is dead."""
        return _answer({"deliveries": self._view.queue()})

    def silences(self, request: Request) -> Response:  # noqa: ARG002 - the shape of an endpoint
        """What is silenced."""
        return _answer({"silences": self._view.silences()})


def _answer(body: Json, status: int = 200) -> Response:
    return JSONResponse(body, status, headers=HEADERS)


def _http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the shape of a handler
    """What the router refuses: an unknown path, another method."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    response = error_response(error.status_code, code, error.detail.lower())
    response.headers.update(error.headers or {})
    return response


def _bad_parameter(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the shape of a handler
    assert isinstance(error, BadParameter)
    return error_response(400, "bad_parameter", str(error), error.field)


def _store_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the shape of a handler
    return error_response(503, "store_unavailable", str(error))


def _fault(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the shape of a handler
    """A bug: the server logs it with its traceback, the client learns nothing of it."""
    return error_response(500, "internal", "the agent failed to answer; its log says why")
