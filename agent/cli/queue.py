"""`gpuwarden queue`: what waits and what is dead, and what to do about it."""

from datetime import tzinfo

import click

from agent.cli import reach, show
from agent.cli.common import common_options, load_or_exit
from agent.core.model import Json
from agent.core.reasons import words

HEADERS = ("SINCE", "CHANNEL", "STATE", "WHAT", "ATTEMPTS", "NEXT", "WHY", "ID")


@click.group(short_help="List, retry or drop what waits to be delivered.")
@common_options
def queue() -> None:
    """List, retry or drop what waits to be delivered and what was given up."""


@queue.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
@common_options
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """Print what waits and what is dead, and why."""
    loaded = load_or_exit(ctx)
    with reach.facts(loaded) as facts:
        found = facts.queue()
    zone = reach.zone(loaded)
    nothing = "nothing waits, and nothing is dead"
    show.listing(found, HEADERS, lambda item: _row(item, zone), nothing=nothing, as_json=as_json)


@queue.command(short_help="Try these deliveries again at once.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@common_options
@click.pass_context
def retry(ctx: click.Context, *, ids: tuple[str, ...]) -> None:
    """Try these deliveries again at once, or without an ID everything that waits or is dead.

    Their channels are given another chance: pauses and suspensions are lifted. What is held back on purpose, for quiet
    hours, a group or a limit, is left alone.
    """
    loaded = load_or_exit(ctx)
    with reach.steering(loaded) as steering:
        count = steering.retry(ids or None)
    with reach.stored(loaded) as records:
        asked = [item for item in records.queue() if not ids or item["id"] in ids]
    held = sum(item["state"] == "deferred" for item in asked)
    click.echo(f"{_deliveries(count)} due now")
    if held:
        click.echo(f"{_deliveries(held)} held back on purpose: `gpuwarden queue list` says until when, and why")


@queue.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@common_options
@click.pass_context
def drop(ctx: click.Context, *, ids: tuple[str, ...]) -> None:
    """Take deliveries out of the queue; they stay in the history."""
    with reach.steering(load_or_exit(ctx)) as steering:
        count = steering.drop(ids)
    click.echo(f"{_deliveries(count)} dropped")
    if count < len(set(ids)):
        raise show.Failed(f"{_deliveries(len(set(ids)) - count)} not in the queue any more: being sent, or ended")


def _row(item: Json, zone: tzinfo) -> tuple[str, ...]:
    why = item["last_error"] or (words(item["reason"]) if item["reason"] else None)
    next_at = show.local(item["next_attempt_at"], zone)
    since = show.local(item["created_at"], zone)
    what = f"{item['notification']}: {item['title']}"
    return since, item["channel"], item["state"], what, str(item["attempts"]), next_at, show.known(why), item["id"]


def _deliveries(count: int) -> str:
    return f"{count} {'delivery' if count == 1 else 'deliveries'}"
