"""Whether a secret has left its place in a month: everywhere that anybody may look is looked at."""

import logging
from contextlib import contextmanager
from functools import partial

from agent.core.record import HistoryQuery
from agent.runtime.log import OWN
from agent.runtime.log_format import as_text, entry_of
from agent.runtime.metrics import Metrics
from agent.runtime.records import Records
from agent.runtime.showing import Showing
from agent.store.database import Database
from tests.months.month import LENGTH, OWN_SECRET, RECIPIENTS, SECRET
from tests.support.timeline import NODE

EXPLAINED = 5
"""Alerts whose story is read."""


class Log(logging.Handler):
    """Keeps what the agent logs as it would print it."""

    def __init__(self, clean):
        super().__init__()
        self.lines = []
        self._clean = clean

    def emit(self, record):
        line = as_text(entry_of(record, str))
        if leaked(line):  # to clean every line would take as long as all the checks
            line = as_text(entry_of(record, self._clean))
        self.lines.append(line)


@contextmanager
def logged(clean):
    """Listen to all that the agent logs, as it does itself at the level "debug"."""
    logger, log = logging.getLogger(OWN), Log(clean)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(log)
    try:
        yield log.lines
    finally:
        logger.removeHandler(log)
        logger.setLevel(before)


def leaks(month):
    """No credential that a program wrote, or that the agent was given, is told, logged, stored or shown."""
    for place, text in _places(month):
        yield from (f"{secret} is in {place}" for secret in leaked(text))
    yield from month.node.database.read(_stored)


def leaked(text):
    """The secrets that a text holds."""
    return [secret for secret in (SECRET, OWN_SECRET) if secret in text]


def _places(month):
    for name, channel in month.node.channels.items():
        yield from ((f"{item.key}, which {name} was told", repr(item.message)) for item in channel.sent)
    yield "the log", "".join(month.log)
    yield "the metrics", month.node.metrics.page()[0].decode()
    showing = Showing(NODE, RECIPIENTS, month.node.redactor)
    records = Records(partial(Database.open, month.node.database.path, readonly=True), month.clock, lambda: showing)
    yield "the metrics of the store", Metrics("month", month.node.board, records.snapshot).page()[0].decode()
    yield "the status", str(records.status({}))
    yield "the queue", str(records.queue())
    yield "the history", str(records.history(HistoryQuery(since=2 * LENGTH, limit=EXPLAINED)))
    ids = [alert_id for (alert_id,) in month.node.alerts()]
    for alert_id in ids[:: max(1, len(ids) // EXPLAINED)]:
        yield f"the story of {alert_id}", str(records.explain(alert_id))


def _stored(conn):
    """Look through every text of every table."""
    tables = [name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns = [(table, row[1]) for table in tables for row in conn.execute(f"PRAGMA table_info({table})")]
    looks = (
        f"SELECT '{table}.{column}', count(*) FROM {table} "
        f"WHERE instr({column}, :looks_like_one) OR instr({column}, :given)"
        for table, column in columns
    )
    found = conn.execute(" UNION ALL ".join(looks), {"looks_like_one": SECRET, "given": OWN_SECRET})
    return [f"{count} secrets are in {place}" for place, count in found if count]
