"""Reads the parameters of `GET /api/alerts/history` into a value, or says which one does not fit."""

from collections.abc import Mapping

from agent.core.clock import DAY, SECOND
from agent.core.model import AlertType
from agent.core.record import HistoryQuery
from agent.core.units import parse_duration
from agent.web.errors import BadParameter

DEFAULT_LIMIT = 100
MOST = 10_000
"""The most alerts in one answer."""
KNOWN = ("since", "type", "job", "channel", "limit")


def history_query(params: Mapping[str, str]) -> HistoryQuery:
    """Read the parameters. Raises BadParameter, also for one that is not known, since a typing error would
    otherwise widen the question.
    """
    for name in params:
        if name not in KNOWN:
            raise BadParameter(name, f"{name!r} is no parameter: expected {', '.join(KNOWN)}")
    return HistoryQuery(
        since=_since(params["since"]) if "since" in params else DAY,
        type=_type(params["type"]) if "type" in params else None,
        job=params.get("job"),
        channel=params.get("channel"),
        limit=_limit(params["limit"]) if "limit" in params else DEFAULT_LIMIT,
    )


def _since(text: str) -> int:
    try:
        return int(parse_duration(text) * SECOND)
    except ValueError as error:
        raise BadParameter("since", str(error)) from None


def _type(text: str) -> AlertType:
    try:
        return AlertType(text)
    except ValueError:
        raise BadParameter("type", f"{text!r} is no type of alert: expected {', '.join(AlertType)}") from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise BadParameter("limit", f"{text!r} is no limit: expected a whole number from 1 to {MOST}")
    return int(text)
