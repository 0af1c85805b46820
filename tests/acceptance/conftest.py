"""A node for each test, on a clock that only the test moves."""

import pytest

from tests.channels.conftest import _closed_clients  # noqa: F401 - a fixture
from tests.support.clock import ManualClock
from tests.support.timeline import Node


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def nodes(tmp_path, clock):
    made = []

    def make(*recipients, **options):
        made.append(Node(tmp_path / "state", clock, *recipients, **options))
        return made[-1]

    yield make
    for node in made:
        node.close()
