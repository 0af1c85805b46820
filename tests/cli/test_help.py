"""The help pages: every command has one, and nothing on them is cut."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from agent.cli.main import gpuwarden


def pages(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from pages(command.get_command(context, name), *path, name)


@pytest.mark.parametrize("path", list(pages(gpuwarden)), ids=" ".join)
def test_every_page_is_shown_whole(path):
    result = CliRunner().invoke(gpuwarden, [*path, "--help"], prog_name="gpuwarden")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith(" ".join(("Usage: gpuwarden", *path)))
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage:")] == []
    assert max(map(len, lines)) <= 80


def test_a_misspelt_command_is_answered_with_the_nearest():
    result = CliRunner().invoke(gpuwarden, ["statu"])
    assert result.exit_code == 2
    assert 'There is no command \'statu\'; did you mean "status"?' in result.stderr


@pytest.mark.parametrize("path", list(pages(gpuwarden)), ids=" ".join)
def test_a_state_directory_that_may_only_be_entered_is_taken_by_every_command(path):
    command = gpuwarden
    for name in path:
        command = command.get_command(click.Context(command), name)
    places = [option.type for option in command.params if option.name in {"config", "state_dir"}]
    assert [place.readable for place in places] in ([False, False], [])
