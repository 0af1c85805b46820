"""The one shape of an error: `{"error": {"code", "message", "field"}}`."""

from starlette.responses import JSONResponse

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On every answer: it is true now only, and is what it says it is."""


class BadParameter(Exception):  # noqa: N818 - names what was found
    """A query parameter is unknown or does not fit; the text says what was expected."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def error_response(status: int, code: str, message: str, field: str | None = None) -> JSONResponse:
    """An error as JSON; a 401 also names the scheme by which to come in."""
    challenge = {"WWW-Authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004 - an HTTP status
    body = {"error": {"code": code, "message": message, "field": field}}
    return JSONResponse(body, status, headers={**HEADERS, **challenge})
