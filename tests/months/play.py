"""One random month from its beginning to the checks."""

import tempfile
import traceback
from pathlib import Path
from unittest import mock

from agent.store import database
from tests.months.checks import CHECKS
from tests.months.leaks import logged
from tests.months.month import Month


def problems(seed):
    """Play one month; returns what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="month-") as folder, fast_store():
        month = Month(seed, Path(folder) / "state")
        try:
            with logged(month.node.redactor.clean) as month.log:
                month.run()
            return [*month.stuck, *(problem for check in CHECKS for problem in check(month))]
        finally:
            month.node.close()


def outcome(seed):
    """The same; a month that stops half-way is one that failed, too."""
    try:
        return problems(seed)
    except Exception:
        return [traceback.format_exc()]


def fast_store():
    """Spare the disk: a kill -9 loses nothing that way either."""
    fast = tuple(setting.replace("synchronous = FULL", "synchronous = OFF") for setting in database._SETTINGS)
    return mock.patch.object(database, "_SETTINGS", fast)
