"""From a finished report to the alert that carries it to the channels, by way of a stored event."""

from collections.abc import Mapping
from datetime import tzinfo

from agent.core import report_text
from agent.core.facts import Event, ReportMade, event_id
from agent.core.model import TYPES, Alert, AlertType, Json, Status
from agent.core.policy.identity import alert_id, fingerprint

SOURCE = "reports"


def made(report: Mapping[str, Json], zone: tzinfo, now: int, *, asked: bool = False) -> Event:
    """Tell at `now` (UTC milliseconds) that a report is there; its times are said as clocks in `zone` show them.

    The event's id is that of the period, unless a person `asked` for the report, perhaps not for the first time.
    """
    period = str(report["period"])
    parts = (period, now) if asked else (period,)
    fact = ReportMade(
        type=AlertType(report["report"]),
        period=period,
        title=report_text.title(report, zone),
        message=report_text.summary(report),
        bounds=report_text.bounds(report, zone),
        lines=tuple(report_text.lines(report, zone)),
        report=report,
        asked=asked,
    )
    return Event(event_id("report", *parts), SOURCE, now, fact)


def alert_of(event: Event, fact: ReportMade, node: str) -> Alert:
    """The alert; each report that is asked for is one of its own."""
    asked = {"event": event.id} if fact.asked else {}
    mark = fingerprint(fact.type, {"node_id": node, "period": fact.period, **asked})
    return Alert(
        id=alert_id(event.at, mark, event.id),
        type=fact.type,
        fingerprint=mark,
        status=Status.EVENT,
        severity=TYPES[fact.type].severity,
        title=fact.title,
        message=fact.message,
        starts_at=event.at,
        labels={"node": node, "period": fact.period},
        fields={"Period": fact.bounds},
        evidence=fact.lines,
        report=fact.report,
    )
