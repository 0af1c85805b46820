"""`gpuwarden scan`: reads finished logs and prints what the log watcher finds in them."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from agent import finished
from agent.cli import show
from agent.cli.common import Place, common_options, load_or_exit
from agent.config.locate import config_file
from agent.core import text
from agent.core.model import Json
from agent.finished import Rules, Scanned

HEADERS = ("BYTE", "SEVERITY", "KIND", "TEXT")
LONG = 64 << 20
"""Bytes from which on a terminal is shown how far reading has come."""

FILE = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)


@click.command(short_help="Read finished logs, and print what is found in them.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one object a finding, then a summary of each file.")
@common_options
@click.pass_context
def scan(ctx: click.Context, *, files: tuple[str, ...], as_json: bool) -> None:
    """Read finished logs and print what the log watcher finds in them, and how each run ended.

    Files ending in .gz, .xz or .bz2 are read decompressed; `-` is the standard input.
    """
    rules = _rules(ctx)
    failed = False
    for path in files:
        try:
            with _advance(path) as advanced:
                found = finished.scan(rules, path, advanced)
        except finished.UNREADABLE as error:
            click.echo(f"gpuwarden: {path}: {error}", err=True)
            failed = True
            continue
        if as_json:
            show.objects([*found.findings, found.summary])
        else:
            _display(found)
    if failed:
        ctx.exit(1)


def _rules(ctx: click.Context) -> Rules:
    """The user's rules where there is a configuration; one that only the agent may read is passed over."""
    explicit = ctx.ensure_object(Place).config
    path = config_file(explicit, os.environ)
    if path is None:
        return finished.builtin_rules()
    if explicit is None and not os.access(path, os.R_OK):
        click.echo(f"gpuwarden: {path} may not be read, so signatures in it are not used", err=True)
        return finished.builtin_rules()
    return finished.own_rules(load_or_exit(ctx))


@contextmanager
def _advance(path: str) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far a long file was read."""
    length = finished.size(path)
    if not sys.stderr.isatty() or length is None or length < LONG:
        yield lambda _: None
        return
    # Deferred: it takes longer to import than most logs take to scan.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text.strip_controls(os.path.basename(path)), total=length)  # noqa: PTH119 - a text to show
        yield lambda done: bar.update(task, completed=done)


def _display(found: Scanned) -> None:
    show.lines([_headline(found.summary)])
    if found.findings:
        show.table(HEADERS, [_row(item) for item in found.findings])
    if found.suppressed:
        click.echo(f"and {found.suppressed} more like these")


def _headline(summary: Json) -> str:
    outcome = summary["outcome"] + (f" ({summary['reason']})" if summary["reason"] else "")
    parts = [outcome, f"{text.size(summary['bytes'])} read"]
    if summary["step"] is not None:
        parts.append(f"step {text.steps(summary['step'], summary['total_steps'])}")
    if summary["loss"] is not None:
        parts.append(f"loss {text.loss(summary['loss'])}")
    if summary["framework"] is not None:
        parts.append(summary["framework"])
    return f"{summary['file']}: {', '.join(parts)}"


def _row(finding: Json) -> tuple[str, ...]:
    rank = "" if finding["rank"] is None else f"[rank {finding['rank']}] "
    return str(finding["offset"]), finding["severity"], finding["kind"], rank + finding["text"]
