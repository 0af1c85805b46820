"""`gpuwarden silence`: acknowledge an alert, or announce maintenance. Alerts are still recorded, and told to nobody."""

import fnmatch
import secrets
from collections.abc import Mapping
from datetime import tzinfo

import click

from agent.cli import reach, show
from agent.cli.common import common_options, load_or_exit
from agent.cli.person import login
from agent.config.errors import suggestion
from agent.core.clock import SECOND
from agent.core.model import AlertType, Json, Severity
from agent.core.payload import rfc3339
from agent.core.policy.silence import LONGEST
from agent.core.record import of_silence
from agent.core.units import parse_duration

HEADERS = ("UNTIL", "WHAT", "AUTHOR", "COMMENT", "ID")
ID_BYTES = 5
"""Enough that no two silences share an id, and few enough to type."""

KNOWN = {"type": [*map(str, AlertType)], "severity": [*map(str, Severity)]}
"""What can stand for these: a silence of anything else would hold nothing back, and nobody would know."""


@click.group(short_help="Keep alerts from being sent for a while.")
@common_options
def silence() -> None:
    """Keep alerts from being sent for a while; they are still recorded."""


@silence.command(epilog="Example: gpuwarden silence add --match type=disk_warning --for 2h")
@click.option("--alert", "alert_id", metavar="ID", help="Silence this alert.")
@click.option("--match", multiple=True, metavar="K=V", help="Silence what has this label; V may hold * and ?.")
@click.option("--for", "length", required=True, metavar="DURATION", help='How long, such as "2h"; at most 30 days.')
@click.option("--comment", default="", help="Why.")
@click.option("--json", "as_json", is_flag=True, help="Print the silence as one object.")
@common_options
@click.pass_context
def add(
    ctx: click.Context, *, alert_id: str | None, match: tuple[str, ...], length: str, comment: str, as_json: bool
) -> None:
    """Begin a silence now, of one alert or of all whose labels match.

    Besides its labels, an alert can be matched by type, severity and job. Whoever was told that something fires is
    still told when it is over. To match the node and nothing else is maintenance: what becomes of jobs is still told.
    """
    if (alert_id is None) is (not match):
        raise click.UsageError("expected either --alert ID or at least one --match K=V")
    labels, milliseconds = _labels(match), _length(length)
    loaded = load_or_exit(ctx)
    with reach.steering(loaded) as steering:
        begun = steering.silence(
            secrets.token_hex(ID_BYTES), milliseconds, author=login(), comment=comment, alert_id=alert_id, match=labels
        )
    if as_json:
        show.objects([of_silence(begun, begun.starts_at)])
    else:
        click.echo(f"silence {begun.id} until {show.local(rfc3339(begun.ends_at), reach.zone(loaded))}")


@silence.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
@common_options
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """Print the silences that are not over."""
    loaded = load_or_exit(ctx)
    with reach.facts(loaded) as facts:
        found = facts.silences()
    zone = reach.zone(loaded)
    show.listing(found, HEADERS, lambda item: _row(item, zone), nothing="nothing is silenced", as_json=as_json)


@silence.command()
@click.argument("silence_id", metavar="ID")
@common_options
@click.pass_context
def end(ctx: click.Context, *, silence_id: str) -> None:
    """End a silence before its time; what still fires is told at once."""
    with reach.steering(load_or_exit(ctx)) as steering:
        steering.end_silence(silence_id)
    click.echo(f"silence {silence_id} is over")


def _labels(match: tuple[str, ...]) -> Mapping[str, str]:
    pairs = [item.partition("=") for item in match]
    wrong = [item for item, (key, equals, _) in zip(match, pairs, strict=True) if not key or not equals]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is no label: expected K=V", param_hint="--match")
    labels = {key: value for key, _, value in pairs}
    for key, known in KNOWN.items():
        if key in labels and not fnmatch.filter(known, labels[key]):
            text = f"{labels[key]!r} is no {key}: {suggestion(labels[key], known)}"
            raise click.BadParameter(text, param_hint="--match")
    return labels


def _length(text: str) -> int:
    """A duration in milliseconds."""
    try:
        length = round(parse_duration(text) * SECOND)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    if not 0 < length <= LONGEST:
        raise click.BadParameter(f"{text!r} is not between nothing and 30 days", param_hint="--for")
    return length


def _row(item: Json, zone: tzinfo) -> tuple[str, ...]:
    until, what = show.local(item["ends_at"], zone), show.covered(item)
    return until, what, item["author"], show.known(item["comment"]), item["id"]
