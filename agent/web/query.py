"""Reads the parameters of questions to the history into values, or says which one does not fit."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.core.clock import DAY, SECOND
from agent.core.model import AlertType
from agent.core.record import HistoryQuery
from agent.core.units import parse_duration
from agent.web.errors import BadParameter

DEFAULT_LIMIT = 100
MOST = 10_000
"""The most alerts in one answer."""
KNOWN = ("since", "type", "job", "channel", "limit")
PERIOD = ("since", "until")


def history_query(params: Mapping[str, str]) -> HistoryQuery:
    """Read the parameters. Raises BadParameter, also for one that is not known, since a typing error would
    otherwise widen the question.
    """
    _refuse_unknown(params, KNOWN)
    return HistoryQuery(
        since=_since(params["since"]) if "since" in params else DAY,
        type=_type(params["type"]) if "type" in params else None,
        job=params.get("job"),
        channel=params.get("channel"),
        limit=_limit(params["limit"]) if "limit" in params else DEFAULT_LIMIT,
    )


def period_query(params: Mapping[str, str]) -> tuple[int, int]:
    """Read `since` and `until`, two RFC 3339 times, as UTC milliseconds. Raises BadParameter."""
    _refuse_unknown(params, PERIOD)
    since, until = (_moment(name, params.get(name, "")) for name in PERIOD)
    return since, until


def _refuse_unknown(params: Mapping[str, str], known: Sequence[str]) -> None:
    for name in params:
        if name not in known:
            raise BadParameter(name, f"{name!r} is no parameter: expected {', '.join(known)}")


def _moment(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadParameter(name, f"{text!r} is no time: expected one such as 2026-03-28T02:14:00Z")
    return round(moment.timestamp() * SECOND)


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
