"""Reports of past periods, made on demand from what is stored: printed, written as HTML, or handed in to be sent."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, tzinfo

from agent import channel_wiring, offline, reporting
from agent.channels.shared import drawing, mail
from agent.config.load import Loaded
from agent.core import report_alert
from agent.core.chart import Chart
from agent.core.facts import Event, ReportMade
from agent.core.local_time import local
from agent.core.message import Message, compose
from agent.core.model import AlertType, Json, NotificationKind
from agent.core.periods import covering, latest
from agent.core.redact import Redactor
from agent.runtime.news import report_chart
from agent.runtime.reporter import make
from agent.store import events
from agent.store.database import Database


class NotOver(ValueError):  # noqa: N818 - reads as what it is
    """The period that is asked for has not ended yet."""


@dataclass(frozen=True, slots=True)
class Past:
    """A report that was made just now."""

    report: Mapping[str, Json]
    """As `core.report` builds it."""
    message: Message
    """As an e-mail channel would be given it."""
    event: Event
    """What hands it in, to be sent."""

    @property
    def html(self) -> str:
        """The page that a mail would show, with a picture in it where the extra is installed."""
        drawn = drawing.draw(self.message.chart) if self.message.chart is not None and drawing.available() else None
        address = None if drawn is None else f"data:image/png;base64,{base64.b64encode(drawn).decode()}"
        return mail.html(self.message, (), picture=address)

    @property
    def text(self) -> str:
        """What a mail would show without HTML."""
        return mail.plain_text(self.message, ())


def report(loaded: Loaded, kind: AlertType, day: date | None, now: int) -> Past:
    """Make the report of the period that `day` lies in, or else of the latest one. Raises NotOver or StoreError."""
    wanted = reporting.wanted(loaded, os.environ)
    schedule = loaded.settings.reports.schedule(kind)
    period = latest(schedule, now, wanted.zone) if day is None else covering(schedule, day, wanted.zone)
    if period.ends_at > now:
        ends = local(period.ends_at, wanted.zone)
        raise NotOver(f"the period of this report ends on {ends:%Y-%m-%d at %H:%M}: it can be made from then on")
    with Database.open(offline.database(loaded), readonly=True) as database:
        made = database.read(lambda conn: make(conn, period, wanted, now))
        chart = database.read(lambda conn: report_chart(conn, made))
    made["late_seconds"] = None  # nobody waited for it
    event = report_alert.made(made, wanted.zone, now, asked=True)
    return Past(made, _message(event, loaded, wanted.zone, chart), event)


def takers(loaded: Loaded, kind: AlertType) -> list[str]:
    """The channels that a report of this type is sent to."""
    return sorted(reporting.takers(loaded, channel_wiring.recipients(loaded))[kind])


def send(loaded: Loaded, past: Past) -> None:
    """Hand the report in: the agent sends it to its takers. Raises StoreError."""
    with Database.open(offline.database(loaded)) as database:
        database.write(lambda conn: events.append(conn, [past.event]))


def _message(event: Event, loaded: Loaded, zone: tzinfo, chart: Chart | None) -> Message:
    agent, fact = loaded.settings.agent, event.fact
    assert isinstance(fact, ReportMade)
    return compose(
        report_alert.alert_of(event, fact, agent.node), NotificationKind.REPORT, now=event.at, reason="report",
        node=agent.node, redactor=Redactor(loaded.secrets), clock_zone=zone, include_paths=agent.include_paths,
        chart=chart,
    )  # fmt: skip
