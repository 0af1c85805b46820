"""How commands speak: errors without tracebacks, objects a line, and tables that fit a terminal or a pipe."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo

import click

from agent.core.clock import SECOND
from agent.core.model import Json
from agent.core.text import duration, strip_controls

NOTHING = "-"
"""Stands in a cell for what is not known."""
GAP = 2
"""Spaces between two columns."""


class Failed(click.ClickException):
    """What was asked for is unknown, or could not be done: said in one line, and exit code 1."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 - always the standard error
        """Print the error."""
        click.echo(f"gpuwarden: {self.message}", err=True)


def objects(found: Iterable[Json]) -> None:
    """Print one JSON object a line."""
    for item in found:
        click.echo(json.dumps(item, ensure_ascii=False))


def lines(found: Iterable[str]) -> None:
    """Print lines of plain text, free of anything that would give orders to the terminal."""
    for line in found:
        click.echo(strip_controls(line))


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows beneath their headers; no word is ever broken.

    Cells hold what people and programs wrote, so nothing in them may give orders to the terminal.
    """
    rows = [[strip_controls(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich(headers, rows)
    else:
        for line in aligned([headers, *rows]):
            click.echo(line)


def listing(
    found: Sequence[Json], headers: Sequence[str], row: Callable[[Json], Sequence[str]], *, nothing: str, as_json: bool
) -> None:
    """Print what was found, as objects or as a table; `nothing` is what to say where there is nothing."""
    if as_json:
        objects(found)
    elif found:
        table(headers, [row(item) for item in found])
    else:
        click.echo(nothing)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out in columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def local(moment: str | None, zone: tzinfo) -> str:
    """Write an RFC 3339 time as date and time of day in `zone`."""
    return NOTHING if moment is None else f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def age(seconds: float | None) -> str:
    """Write how long ago something was."""
    return NOTHING if seconds is None else f"{duration(seconds * SECOND)} ago"


def known(value: Json) -> str:
    """Write a value, or the sign for what is not known."""
    return NOTHING if value is None or value == "" else str(value)


def covered(silence: Json) -> str:
    """Write what a silence covers."""
    labels = ", ".join(f"{key}={value}" for key, value in silence["match"].items())
    return f"alert {silence['alert_id']}" if silence["alert_id"] else labels


def _rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # Deferred: it takes longer to import than most commands take to run, and pipes do not need it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    columns = list(zip(headers, *rows, strict=True))
    longest = [max(map(len, " ".join(column).split()), default=0) for column in columns]
    if sum(longest) + GAP * len(longest) > console.width:
        _narrow(rows)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in zip(columns, longest, strict=True):
        shown.add_column(column[0], min_width=width, no_wrap=all(" " not in cell for cell in column))
    for row in rows:
        shown.add_row(*map(Text, row))
    console.print(shown)


def _narrow(rows: Iterable[Sequence[str]]) -> None:
    """Print rows where columns have no room: the last cell, mostly an id, on a line of its own."""
    for *cells, last in rows:
        click.echo("  ".join(cell for cell in cells if cell != NOTHING))
        click.echo(f"{' ' * GAP}{last}")
