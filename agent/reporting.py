"""Reports as the configuration wants them: which, when and for whom."""

from collections.abc import Mapping, Sequence

from agent.config.load import Loaded
from agent.config.zones import resolve
from agent.core.model import AlertType
from agent.core.periods import NAMES
from agent.core.policy.model import Recipient
from agent.core.policy.taken import report_takers
from agent.runtime.reporter import Reporting


def wanted(loaded: Loaded, environ: Mapping[str, str]) -> Reporting:
    """Which reports are made, and in which zone their days count."""
    tables, agent = loaded.settings.reports, loaded.settings.agent
    schedules = tuple(tables.schedule(kind) for kind in NAMES if tables.of(kind).enabled)
    return Reporting(agent.node, schedules, resolve(agent.timezone, environ))


def takers(loaded: Loaded, recipients: Sequence[Recipient]) -> Mapping[AlertType, frozenset[str]]:
    """The channels that take each report, also one that is only sent by hand."""
    tables = loaded.settings.reports
    return {kind: report_takers(kind, recipients, tables.of(kind).channels) for kind in NAMES}
