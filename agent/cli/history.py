"""`gpuwarden history`: alerts with what became of them on each channel, newest first."""

import time
from datetime import tzinfo

import click

from agent.cli import reach, show
from agent.cli.common import common_options, load_or_exit
from agent.cli.moments import moment
from agent.core.clock import SECOND
from agent.core.model import AlertType, Json
from agent.core.record import HistoryQuery

MOST = 10_000
"""The most alerts of one answer, as over HTTP."""
HEADERS = ("BEGAN", "SEVERITY", "STATUS", "TITLE", "DELIVERIES", "ID")


@click.command(epilog="Example: gpuwarden history --since 02:00 --type job_failed")
@click.option("--since", default="24h", metavar="TIME", help="Begin here: a duration, a time of day, a date. [24h]")
@click.option("--type", "alert_type", type=click.Choice([*map(str, AlertType)]), metavar="TYPE", help="One type only.")
@click.option("--job", metavar="ID", help="One job's alerts only.")
@click.option("--channel", metavar="NAME", help="Only what was meant for this channel.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="The most to print.")
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
@common_options
@click.pass_context
def history(
    ctx: click.Context, *, since: str, alert_type: str | None, job: str | None, channel: str | None, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Print alerts with their deliveries, newest first."""
    loaded = load_or_exit(ctx)
    zone = reach.zone(loaded)
    query = HistoryQuery(
        since=_how_far_back(since, zone),
        type=AlertType(alert_type) if alert_type else None,
        job=job,
        channel=channel,
        limit=limit,
    )
    with reach.facts(loaded) as facts:
        found = facts.history(query)
    if as_json:
        show.objects(found)
    elif found:
        show.table(HEADERS, [_row(item, zone) for item in found])
    else:
        click.echo(_none(since, narrowed=any((alert_type, job, channel))))


def _how_far_back(since: str, zone: tzinfo) -> int:
    """Milliseconds from the beginning to now."""
    now = time.time_ns() // 1_000_000
    try:
        return max(SECOND, now - moment(since, now, zone))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None


def _none(since: str, *, narrowed: bool) -> str:
    """Say that there is nothing; `since` as it was typed, a duration or a point in time."""
    begin = "in the last" if since[-1:].isalpha() and since[0].isdigit() else "since"
    return f"no {'such ' if narrowed else ''}alert {begin} {since}"


def _row(alert: Json, zone: tzinfo) -> tuple[str, ...]:
    began = show.local(alert["starts_at"], zone)
    return began, alert["severity"], alert["status"], alert["title"], _outcomes(alert["deliveries"]), alert["id"]


def _outcomes(deliveries: Json) -> str:
    """Say what became of the last notification on each channel: `ops delivered, pager dead`."""
    last = {item["channel"]: item["state"] for item in deliveries}
    return ", ".join(f"{name} {state}" for name, state in last.items()) or "nobody was asked"
