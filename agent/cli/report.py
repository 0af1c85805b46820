"""`gpuwarden report`: the report of a full day or week, printed, written as HTML, or sent."""

import time
from datetime import date, datetime
from pathlib import Path

import click

from agent import past
from agent.cli import show
from agent.cli.common import common_options, load_or_exit
from agent.cli.reach import stored
from agent.config.load import Loaded
from agent.core.model import AlertType

KINDS = {"daily": AlertType.DAILY_SUMMARY, "weekly": AlertType.WEEKLY_DIGEST}


@click.command(short_help="Make the report of a full day or week.")
@click.argument("kind", type=click.Choice([*KINDS]))
@click.option("--date", "day", metavar="DATE", help="A day of the period, such as 2026-03-28; else the last full one.")
@click.option("--send", is_flag=True, help="Hand it to the agent, which sends it to the channels that take it.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write it as a page to FILE.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one object.")
@common_options
@click.pass_context
def report(ctx: click.Context, *, kind: str, day: str | None, send: bool, page: Path | None, as_json: bool) -> None:
    """Make the report of a full period, and print it unless it is written or sent.

    A daily report covers a local day, a weekly one the seven days before the configured day of the week.
    """
    loaded = load_or_exit(ctx)
    with stored(loaded):
        try:
            made = past.report(loaded, KINDS[kind], _date(day), time.time_ns() // 1_000_000)
        except past.NotOver as error:
            raise show.Failed(str(error)) from None
        if send:
            takers = _takers(loaded, KINDS[kind])
            past.send(loaded, made)
            click.echo(f"{made.report['period']}: handed to the agent, which sends it to {takers} while it runs")
    if page is not None:
        _write(page, made.html)
    if as_json:
        show.objects([made.report])
    elif not (send or page):
        show.lines(made.text.splitlines())


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else datetime.fromisoformat(text).date()
    except ValueError:
        raise click.BadParameter(f"found {text!r}, expected a date such as 2026-03-28", param_hint="--date") from None


def _takers(loaded: Loaded, kind: AlertType) -> str:
    found = past.takers(loaded, kind)
    if not found:
        raise show.Failed(f"no channel takes it: list {kind} in the `alerts` of one, or set `channels` of the report")
    return ", ".join(found)


def _write(page: Path, html: str) -> None:
    try:
        page.write_text(html, encoding="utf-8")
    except OSError as error:
        raise show.Failed(f"{page} cannot be written: {error.strerror}") from None
