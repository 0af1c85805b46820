"""`gpuwarden explain`: why an alert was, or was not, sent; in plain words, channel by channel."""

import time
from datetime import tzinfo

import click

from agent.cli import reach, show
from agent.cli.common import common_options, load_or_exit
from agent.cli.moments import moment
from agent.cli.reach import Facts
from agent.cli.show import Failed
from agent.core.model import Json


@click.command(epilog="Example: gpuwarden explain --between 02:00 04:00")
@click.argument("alert_id", required=False)
@click.option("--between", nargs=2, metavar="T1 T2", help="What arrived between two times, or why nothing did.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
@common_options
@click.pass_context
def explain(ctx: click.Context, *, alert_id: str | None, between: tuple[str, str] | None, as_json: bool) -> None:
    """Tell why an alert was, or was not, sent.

    ALERT_ID may be cut to its first six or more characters. A time is a duration (2h, meaning ago), a time of day
    (03:10), or a date and time.
    """
    if (alert_id is None) is (between is None):
        raise click.UsageError("expected either ALERT_ID or --between T1 T2")
    loaded = load_or_exit(ctx)
    period = None if between is None else _period(between, reach.zone(loaded))
    with reach.facts(loaded) as facts:
        found = _one(facts, alert_id) if period is None else facts.between(*period)
    if as_json:
        show.objects([found])
    else:
        show.lines(found["story"])


def _one(facts: Facts, alert_id: str | None) -> dict[str, Json]:
    found = facts.explain(alert_id or "")
    if found is None:
        raise Failed(f"there is no alert {alert_id!r}, or more than one begins so: see `gpuwarden history`")
    return found


def _period(between: tuple[str, str], zone: tzinfo) -> tuple[int, int]:
    now = time.time_ns() // 1_000_000
    try:
        since, until = (moment(text, now, zone) for text in between)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--between") from None
    if since >= until:
        raise click.BadParameter("the first time is not before the second", param_hint="--between")
    return since, until
