"""`gpuwarden simulate`: what each channel would receive of a timeline, and when, with the present configuration."""

import sys
import time
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path

import click

from agent.cli import reach, show
from agent.cli.common import common_options, load_or_exit
from agent.core.model import Json
from agent.core.timeline import BadTimeline, Timeline, parse
from agent.simulation import Unplayable
from agent.simulation import simulate as play

LARGEST = 64 << 20
"""Bytes of a timeline that are read."""


@click.command(short_help="Play a timeline through the present configuration.")
@click.argument("timeline", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--full", is_flag=True, help="Print each message as its channel would send it, secrets masked.")
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
@common_options
@click.pass_context
def simulate(ctx: click.Context, *, timeline: str, full: bool, as_json: bool) -> None:
    """Play TIMELINE through the present configuration, and print what each channel would have received, and when.

    Nothing is sent, and no agent that runs is touched. TIMELINE is TOML or JSON lines, such as `history --json` prints;
    `-` is the standard input.
    """
    loaded = load_or_exit(ctx)
    zone = reach.zone(loaded)
    found = _read(timeline, zone)
    try:
        told = play(loaded, found)
    except Unplayable as error:
        raise show.Failed(f"{timeline}: {error}") from None
    if as_json:
        show.objects(told if full else ({**item, "request": None} for item in told))
    elif told:
        show.lines(line for item in told for line in _lines(item, zone, full=full))
    else:
        click.echo("nothing would be told")


def _read(name: str, zone: tzinfo) -> Timeline:
    try:
        data = sys.stdin.buffer.read(LARGEST) if name == "-" else Path(name).read_bytes()
        return parse(data.decode("utf-8-sig"), time.time_ns() // 1_000_000, zone)
    except UnicodeDecodeError:
        raise show.Failed(f"{name}: not UTF-8 text: expected TOML, or one JSON object a line") from None
    except (OSError, BadTimeline) as error:
        raise show.Failed(f"{name}: {error}") from None


def _lines(item: Json, zone: tzinfo, *, full: bool) -> Iterator[str]:
    head = f"{show.local(item['at'], zone)}  {item['channel']}  "
    if item["outcome"] == "sent":
        yield f"{head}sent: {item['title']} ({item['severity']})"
        text = item["request"] if full else item["text"]
        yield from (f"    {line}" for line in text.splitlines())
        return
    until = f" until {show.local(item['until'], zone)}" if item["until"] else ""
    what = "" if item["notification"] == "fired" else f" [{item['notification']}]"
    yield f"{head}{item['outcome']}{until}: {item['title']}{what}: {item['explanation']}"
