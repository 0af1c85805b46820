"""The routes behind `queue list`, `silence list` and `explain --between`."""

import pytest


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/queue", {"deliveries": [{"id": "dlv_1"}]}),
        ("/api/silences", {"silences": [{"id": "s1"}]}),
    ],
)
def test_lists(client, path, body):
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (200, body)


def test_decisions_of_a_period(client, view):
    params = {"since": "2026-03-28T02:14:00Z", "until": "2026-03-28T03:14:00.250+01:00"}
    answer = client.get("/api/alerts/decisions", params=params)
    assert (answer.status_code, answer.json()) == (200, {"alerts": [{"id": "a-1"}]})
    assert view.asked == [(1_774_664_040_000, 1_774_664_040_250)]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "since"),
        ({"since": "2026-03-28T02:14:00Z"}, "until"),
        ({"since": "2026-03-28T02:14:00", "until": "2026-03-28T03:14:00Z"}, "since"),
        ({"since": "2026-03-28T02:14:00Z", "until": "later"}, "until"),
        ({"since": "2026-03-28T02:14:00Z", "until": "2026-03-28T03:14:00Z", "limit": "1"}, "limit"),
    ],
)
def test_a_period_that_does_not_fit(client, view, params, field):
    answer = client.get("/api/alerts/decisions", params=params)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    assert view.asked == []
