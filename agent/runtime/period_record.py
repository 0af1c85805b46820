"""What went on in a period, as the object that `explain --between` prints and the API answers."""

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby

from agent.core import period_story, record
from agent.core.lives import Span
from agent.core.model import Alert, Decision, Json
from agent.core.payload import rfc3339
from agent.core.period_story import PeriodFacts
from agent.runtime.showing import Showing
from agent.store import alerts, decisions, ledger, lives, periods, silences


def between(conn: sqlite3.Connection, showing: Showing, since: int, until: int) -> dict[str, Json]:
    """Tell of the period from `since` to before `until` (UTC milliseconds).

    {"since", "until", "down": [{"from", "until"}], "quiet": [{"window", "from", "until"}], "silences": [as in `silence
    list`], "waiting": [as in `queue list`], "alerts": [those of the history without deliveries, each with "decisions"
    and "attempts" of the period], "story": the same in plain words}.
    """
    facts = _facts(conn, showing, since, until)
    return {
        "since": rfc3339(since),
        "until": rfc3339(until),
        "down": [_span(span) for span in period_story.down(facts)],
        "quiet": [
            {"window": window.name, **_span(span)}
            for window, span in period_story.quiet(showing.quiet_hours.windows, since, until)
        ],
        "silences": [record.of_silence(item, until) for item in facts.silences],
        "waiting": [record.of_queued(row, _title(facts, row.alert_id)) for row in facts.waiting],
        "alerts": _alerts(facts),
        "story": period_story.tell(facts, showing.quiet_hours.windows, showing.zone),
    }


def _facts(conn: sqlite3.Connection, showing: Showing, since: int, until: int) -> PeriodFacts:
    made, tries = decisions.between(conn, since, until), periods.attempts(conn, since, until)
    waiting, lasting = periods.waiting(conn, since, until), periods.lasting(conn, since)
    ids = {item.alert_id for item in made} | {row.alert_id for _, row in tries} | {row.alert_id for row in waiting}
    found = [*lasting, *(alert for alert in (alerts.get(conn, alert_id) for alert_id in sorted(ids)) if alert)]
    clean = {alert.id: showing.clean(alert) for alert in found}
    return PeriodFacts(
        since, until, clean, made, tries, waiting,
        lasting=[clean[alert.id] for alert in lasting],
        lives=lives.between(conn, since, until),
        silences=[item for item in silences.load(conn) if item.starts_at < until and item.ends_at > since],
        channels={item.name: item.type for item in showing.recipients},
        states=ledger.channel_states(conn),
    )  # fmt: skip


def _alerts(facts: PeriodFacts) -> list[dict[str, Json]]:
    decided = _by_alert(facts.decisions)
    return [
        {
            **record.of_alert_alone(alert),
            "decisions": [record.of_decision(item) for item in decided.get(alert.id, ())],
            "attempts": [record.of_attempt(item) for item, row in facts.attempts if row.alert_id == alert.id],
        }
        for alert in facts.alerts.values()
    ]


def _by_alert(made: Sequence[Decision]) -> Mapping[str, list[Decision]]:
    ordered = sorted(made, key=lambda item: item.alert_id)
    return {alert_id: list(group) for alert_id, group in groupby(ordered, key=lambda item: item.alert_id)}


def _title(facts: PeriodFacts, alert_id: str) -> str:
    alert: Alert | None = facts.alerts.get(alert_id)
    return alert.title if alert is not None else alert_id


def _span(span: Span) -> dict[str, Json]:
    return {"from": rfc3339(span[0]), "until": rfc3339(span[1])}
