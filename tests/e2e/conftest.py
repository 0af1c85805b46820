"""Real daemons on folders of their own; whatever a test leaves running is killed."""

import sys
from pathlib import Path

import pytest

from tests.support.agent import Agent
from tests.support.slack import SlackStandIn
from tests.support.standin import StandIn

TRAIN = (sys.executable, str(Path(__file__).parents[1] / "fixtures" / "train.py"))


@pytest.fixture
def agents(tmp_path):
    made = []

    def make(config, **environ):
        folder = tmp_path / f"agent{len(made)}"
        folder.mkdir()
        made.append(Agent(folder, config, **environ))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def hook():
    with StandIn() as receiver:
        yield receiver


@pytest.fixture
def slack():
    with SlackStandIn() as receiver:
        yield receiver
