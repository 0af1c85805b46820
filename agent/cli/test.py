"""`gpuwarden test`: sends one sample alert through the real adapter, now and once."""

import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stdout

import click

from agent import offline
from agent.cli import show
from agent.cli.common import common_options, load_or_exit
from agent.config.errors import suggestion
from agent.config.load import Loaded
from agent.core import chart_sample, samples
from agent.core.health_rules import SUSPENSIONS
from agent.core.message import Message
from agent.core.model import AlertType, Delivery, DeliveryState, NotificationKind
from agent.core.policy.delivery import address
from agent.core.ports import Receipt, SendError
from agent.core.text import paragraph
from agent.offline import Outlet

HINTS: Mapping[str, str] = {
    **SUSPENSIONS,
    "rate_limited": "The provider asks for a pause: wait a while, then try again.",
    "network": "The address could not be reached: look at its name, the firewall, and `[http] proxy`.",
    "timeout": "No answer came in time: try again, or raise the channel's `timeout`.",
    "server_error": "The provider has trouble of its own: try again later.",
    "other": "What answered may not be the provider: look at the address in the configuration.",
}
"""What to do about each reason of a SendError."""


@click.command("test")
@click.argument("channel")
@click.option(
    "--type", "alert_type", type=click.Choice([*map(str, AlertType)]), metavar="TYPE",
    default=str(AlertType.JOB_FAILED), show_default=True, help="The type of the sample.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the request, with secrets masked, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one object.")
@common_options
@click.pass_context
def test_command(ctx: click.Context, *, channel: str, alert_type: str, dry_run: bool, as_json: bool) -> None:
    """Send one sample alert to CHANNEL now, marked as a test. Nothing is stored, and nothing is tried again."""
    loaded = load_or_exit(ctx)
    names = tuple(loaded.settings.channels)
    if channel not in names:
        text = f"there is no channel {channel!r}; configured: {', '.join(names)}; {suggestion(channel, names)}"
        raise click.BadParameter(text, param_hint="CHANNEL")
    with offline.channel(channel, loaded) as outlet:
        row = _delivery(outlet, AlertType(alert_type), loaded)
        chart = chart_sample.of(AlertType(alert_type), samples.JOB) if outlet.pictures else None
        news = offline.News(row, row.snapshot, chart=chart)
        message = offline.composer(channel, loaded)(news, row.created_at)
        if dry_run:
            click.echo(outlet.channel.preview(message, row.id))
        else:
            _send(outlet, message, row.id, as_json=as_json)


def _delivery(outlet: Outlet, alert_type: AlertType, loaded: Loaded) -> Delivery:
    """The delivery that an agent would have made of the sample."""
    now = time.time_ns() // 1_000_000
    alert = samples.full(alert_type, loaded.settings.agent.node, now)
    return address(
        alert, NotificationKind.TEST, 0, channel=outlet.name, channel_type=outlet.type, state=DeliveryState.SENDING,
        at=now,
    )  # fmt: skip


def _send(outlet: Outlet, message: Message, key: str, *, as_json: bool) -> None:
    """Send once and print what came of it; ends with 1 if it was not delivered."""
    began = time.monotonic()
    outcome: Receipt | SendError
    try:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():  # a console's text beside the object
            outcome = outlet.channel.send(message, key)
    except SendError as error:
        outcome = error
    seconds = time.monotonic() - began
    if as_json:
        show.objects([_result(outlet, outcome, seconds)])
    elif isinstance(outcome, Receipt):
        click.echo(f"{outlet.name} ({outlet.type}): {_delivered(outcome)} after {seconds * 1000:.0f} ms")
    if isinstance(outcome, SendError):
        text = paragraph(*filter(None, (outcome.detail, HINTS.get(outcome.reason))))
        raise show.Failed(f"{outlet.name} ({outlet.type}): {outcome.kind}: {text}")


def _delivered(receipt: Receipt) -> str:
    status = f" with status {receipt.status}" if receipt.status is not None else ""
    reference = f" as {receipt.ref}" if receipt.ref is not None else ""
    return f"delivered{status}{reference}"


def _result(outlet: Outlet, outcome: Receipt | SendError, seconds: float) -> dict[str, object]:
    failed = outcome if isinstance(outcome, SendError) else None
    return {
        "channel": outlet.name,
        "channel_type": outlet.type,
        "delivered": failed is None,
        "status": outcome.status,
        "provider_ref": outcome.ref if isinstance(outcome, Receipt) else None,
        "latency_seconds": round(seconds, 3),
        "kind": str(failed.kind) if failed else None,
        "reason": failed.reason if failed else None,
        "detail": failed.detail if failed else None,
        "hint": HINTS.get(failed.reason) if failed else None,
    }
