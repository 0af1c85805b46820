"""`gpuwarden emit`: hand in an event from a Slurm epilog, a cron job or a shell trap."""

import json
import os
import sys
import time

import click

from agent.cli import hand_in
from agent.cli.common import Place, common_options
from agent.cli.show import Failed
from agent.core import handoff
from agent.core.facts import HandedIn
from agent.core.handoff import BadHandoff
from agent.core.model import Json, Severity, Status

SEVERITIES = [str(severity) for severity in Severity]


@click.command(
    short_help="Hand in an event, whether or not the agent runs.",
    epilog="Example: gpuwarden emit job_failed --job 4711 --title 'Node lost'",
)
@click.argument("alert_type", metavar="TYPE")
@click.option("--job", metavar="ID", help="The job that this is about.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Instead of the type's usual one.")
@click.option("--title", metavar="T")
@click.option("--message", metavar="M")
@click.option("--field", "fields", metavar="K=V", multiple=True, help="Something to show beside the message.")
@click.option("--label", "labels", metavar="K=V", multiple=True, help="Part of the alert's identity; to match by.")
@click.option("--resolve", is_flag=True, help="The condition is over.")
@click.option("--json", "as_json", is_flag=True, help="Print what was handed in.")
@common_options
@click.pass_context
def emit(ctx: click.Context, /, *, as_json: bool, resolve: bool, **given: Json) -> None:
    """Hand in an event of one of the alert TYPEs, whether or not the agent runs.

    Exits with 0 only when the event is safely stored.
    """
    fact = _fact(given, resolve=resolve)
    spool = hand_in.find(ctx.ensure_object(Place), os.environ)
    try:
        path = hand_in.store(spool, handoff.write(fact), time.time_ns())
    except BadHandoff as error:
        raise click.UsageError(str(error)) from None
    except hand_in.NotStored as error:
        raise Failed(f"the event was not handed in: {error}") from None
    if as_json:
        click.echo(json.dumps(
            {"type": fact.type, "status": fact.status, "severity": str(fact.severity), "file": str(path)}
        ))
    elif sys.stdout.isatty():  # a person wants an answer; cron would send it as mail
        click.echo(f"{fact.type} handed in")


def _fact(given: dict[str, Json], *, resolve: bool) -> HandedIn:
    """What the options say, checked as the agent will check it."""
    job = given["job"]
    body = {
        "type": given["alert_type"],
        "status": Status.RESOLVED if resolve else None,
        "job": None if job is None else {"id": job},
        "severity": given["severity"],
        "title": given["title"],
        "message": given["message"],
        "fields": _pairs("--field", given["fields"]),
        "labels": _pairs("--label", given["labels"]),
    }
    try:
        return handoff.handed_in(body)
    except BadHandoff as error:
        raise click.UsageError(str(error)) from None


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"{option}: found {text!r}, expected NAME=VALUE")
        pairs[name] = value
    return pairs
