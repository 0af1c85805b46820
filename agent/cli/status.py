"""`gpuwarden status`: what the running agent watches, and how all of it is."""

import time
from collections.abc import Callable

import click

from agent.cli import overview, reach, show
from agent.cli.ask import NoAnswer, RunningAgent
from agent.cli.common import common_options, load_or_exit
from agent.config.load import Loaded
from agent.core.model import Json

REFRESH = 2.0
"""Seconds between two looks with `--watch`."""


@click.command(short_help="Print what the running agent watches, and how it is.")
@click.option("--why", is_flag=True, help="Tell why something was or was not taken for a job.")
@click.option("--watch", is_flag=True, help="Look again every 2 seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
@common_options
@click.pass_context
def status(ctx: click.Context, *, why: bool, watch: bool, as_json: bool) -> None:
    """Print jobs, disks, sources, channels and open alerts of the running agent.

    If no agent answers, print what is stored, and end with 1.
    """
    loaded = load_or_exit(ctx)
    zone = reach.zone(loaded)

    def look() -> bool:
        found = _ask(loaded)
        if watch:
            click.clear()
        if as_json:
            show.objects([found])
        else:
            overview.display(found, zone, why=why)
        return bool(found["running"])

    running = _again_and_again(look) if watch else look()
    ctx.exit(0 if running else 1)


def _ask(loaded: Loaded) -> dict[str, Json]:
    """What the running agent says, else what is stored."""
    try:
        return RunningAgent(loaded.settings.server.address).status()
    except NoAnswer as error:
        click.echo(f"gpuwarden: {error}", err=True)
    with reach.stored(loaded) as records:
        return records.status({})


def _again_and_again(look: Callable[[], bool]) -> bool:
    running = True
    try:
        while True:
            running = look()
            time.sleep(REFRESH)
    except KeyboardInterrupt:
        return running
