"""Points in time as people type them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from agent.cli.moments import moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 28, 2, 14, tzinfo=UTC)
"""03:14 in Berlin, a day before its clocks go forward."""


def at(text, zone=UTC):
    found = moment(text, int(NOW.timestamp() * 1000), zone)
    return datetime.fromtimestamp(found / 1000, UTC).isoformat()


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2h", UTC, "2026-03-28T00:14:00+00:00"),
        ("0s", UTC, "2026-03-28T02:14:00+00:00"),
        ("500ms", UTC, "2026-03-28T02:13:59.500000+00:00"),
        ("02:00", UTC, "2026-03-28T02:00:00+00:00"),
        ("02:14", UTC, "2026-03-28T02:14:00+00:00"),
        ("02:15", UTC, "2026-03-27T02:15:00+00:00"),
        ("03:10", BERLIN, "2026-03-28T02:10:00+00:00"),
        ("23:30:15", BERLIN, "2026-03-27T22:30:15+00:00"),
        ("2026-03-28", BERLIN, "2026-03-27T23:00:00+00:00"),
        ("2026-03-28T02:00", BERLIN, "2026-03-28T01:00:00+00:00"),
        ("2026-03-28 02:00:01", UTC, "2026-03-28T02:00:01+00:00"),
        ("2026-03-28T02:00:00Z", BERLIN, "2026-03-28T02:00:00+00:00"),
        ("2026-03-28T02:00:00+09:00", BERLIN, "2026-03-27T17:00:00+00:00"),
    ],
)
def test_a_moment(text, zone, expected):
    assert at(text, zone) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "2026-13-01", "-2h", "999999999999999w"])
def test_no_moment(text):
    with pytest.raises(ValueError, match="is no point in time: expected a duration such as"):
        at(text)
