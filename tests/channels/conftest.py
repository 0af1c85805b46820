"""Every HTTP client made in a test is closed after it, so that no connection outlives its test."""

import pytest

from agent.channels.shared import http


@pytest.fixture(autouse=True)
def _closed_clients(monkeypatch):
    made = []
    build = http.Client.__init__

    def remembered(client, *arguments, **options):
        build(client, *arguments, **options)
        made.append(client)

    monkeypatch.setattr(http.Client, "__init__", remembered)
    yield
    for client in made:
        client.close()
