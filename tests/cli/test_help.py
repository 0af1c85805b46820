"""The help pages: every command has one, and nothing on them is cut."""

import subprocess
import sys
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


@pytest.mark.parametrize(("output", "code", "told"), [
    ("&-", 0, ""),
    ("/dev/full", 1, "gpuwarden: the output cannot be written: No space left on device\n"),
])  # fmt: skip
def test_an_output_that_takes_nothing_leaves_no_traceback(tmp_path, output, code, told):
    log = tmp_path / "run.log"
    log.write_text("torch.OutOfMemoryError: CUDA out of memory.\n")
    command = f'exec "{sys.executable}" -m agent scan "{log}" >{output}'
    result = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (code, told)
