"""`gpuwarden check`: validates configuration and surroundings, and advises."""

import json
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from agent import offline, source_wiring
from agent.cli.common import common_options, load_or_exit
from agent.cli.test import HINTS
from agent.config import checks, online
from agent.config.checks import Finding, Level
from agent.config.load import Loaded
from agent.core.ports import Probing, SendError
from agent.core.text import paragraph


@click.command(short_help="Validate the configuration and what it needs.")
@click.option("--online", "connect", is_flag=True, help="Also ask each channel's provider; nothing is posted.")
@click.option("--json", "as_json", is_flag=True, help="Print one object a finding.")
@common_options
@click.pass_context
def check(ctx: click.Context, *, connect: bool, as_json: bool) -> None:
    """Validate configuration, secrets, permissions, paths, time zones and the state directory.

    Ends with 2 if the agent could not start or work like this, and with 1 if only a channel cannot deliver.
    """
    loaded = load_or_exit(ctx)
    findings = checks.check(loaded, remarks=source_wiring.remarks)
    reached = []
    if connect and not _bad(findings):
        answers = {name: answer for name in offline.channels(loaded) if (answer := _ask(name, loaded)) is not None}
        reach = partial(online.reach, context=_tls(loaded.settings.http.ca_file))
        reached = [*answers.values(), *online.check_online(loaded, reach, answers)]
    for finding in (*findings, *reached):
        _print(finding, as_json=as_json)
    if not as_json:
        click.echo(f"{loaded.config_path or 'built-in defaults'}: {_verdict([*findings, *reached])}")
    ctx.exit(2 if _bad(findings) else int(_bad(reached)))


def _ask(name: str, loaded: Loaded) -> Finding | None:
    """Ask one channel's provider whether it would take a message; None where there is no way to ask."""
    try:
        with offline.channel(name, loaded) as outlet:
            if not isinstance(outlet.channel, Probing):
                return None
            return Finding(Level.NOTE, f"channel {name}: {outlet.channel.probe()}")
    except SendError as error:
        text = paragraph(*filter(None, (error.detail, HINTS.get(error.reason))))
        return Finding(Level.ERROR, f"channel {name}: {error.kind}: {text}")


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _print(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"level": finding.level, "text": finding.text}, ensure_ascii=False))
    else:
        click.echo(f"{finding.level}: {finding.text}")


def _verdict(findings: Sequence[Finding]) -> str:
    errors, warnings = (sum(item.level is level for item in findings) for level in (Level.ERROR, Level.WARNING))
    if not errors and not warnings:
        return "fine"
    return f"{errors} {'error' if errors == 1 else 'errors'}, {warnings} {'warning' if warnings == 1 else 'warnings'}"


def _bad(findings: Sequence[Finding]) -> bool:
    return any(finding.level is Level.ERROR for finding in findings)
