"""A small schema of the right shapes, and a way to load a text as the user's file."""

from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from pydantic import Field

from agent.channels import console, slack, webhook
from agent.config.load import Loaded, load
from agent.config.schema import Schema
from agent.config.settings import Duration, Table
from agent.sources import disk


class Logs(Table):
    enabled: bool = True
    paths: tuple[str, ...] = ()
    start: Literal["end", "beginning"] = "end"
    wait: Duration = Field(default=60.0, alias="for")


CHANNELS = {"console": console.Config, "slack": slack.Config, "webhook": webhook.Config}


class Place(NamedTuple):
    """A folder with a configuration and a state directory, and how to load them."""

    config: Path
    state: Path
    schema: Schema

    def load(self, text: str = "", **environ: str) -> Loaded:
        self.config.write_text(text)
        self.config.chmod(0o600)
        return load(
            config=self.config,
            state_dir=self.state,
            environ={"HOME": str(self.config.parent), **environ},
            schema=self.schema,
        )


@pytest.fixture
def place(tmp_path):
    schema = Schema(
        sources={"disk": disk.Config, "logs": Logs},
        channel_types=tuple(CHANNELS),
        channel_config=CHANNELS.__getitem__,
    )
    return Place(tmp_path / "config.toml", tmp_path / "state", schema)
