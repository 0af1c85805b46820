"""`gpuwarden resolve`: ends a firing alert by hand."""

import click

from agent.cli import reach
from agent.cli.common import common_options, load_or_exit
from agent.cli.person import login
from agent.core.model import Status


@click.command(short_help="End a firing alert by hand.")
@click.argument("alert_id", metavar="ID")
@common_options
@click.pass_context
def resolve(ctx: click.Context, *, alert_id: str) -> None:
    """End a firing alert by hand, for example after a GPU was replaced.

    Whoever was told that it fires is told that it is over; so is a channel that holds an event open, such as PagerDuty
    an incident about a failed job. ID may be cut to its first six or more characters.
    """
    with reach.steering(load_or_exit(ctx)) as steering:
        alert = steering.resolve(alert_id, login())
    where = " on the channels that hold it open" if alert.status is Status.EVENT else ""
    click.echo(f"the agent will end {alert.id} ({alert.title}){where}")
