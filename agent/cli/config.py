"""`gpuwarden config`: what is in effect and why, and what may be written."""

import json

import click

from agent.cli.common import common_options, load_or_exit


@click.group()
@common_options
def config() -> None:
    """Show the effective configuration, or its schema."""


@config.command(short_help="Print every effective value and where it comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print one object, by dotted key.")
@common_options
@click.pass_context
def show(ctx: click.Context, *, as_json: bool) -> None:
    """Print every effective value with the layer it came from; secrets are masked."""
    from agent.config import show as showing  # deferred: `config schema` does without

    rows = showing.rows(load_or_exit(ctx))
    if as_json:
        click.echo(json.dumps(showing.as_json(rows), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(showing.as_toml(rows)).rstrip())


@config.command()
@common_options
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from agent import app
    from agent.config.reference import schema_json

    click.echo(json.dumps(schema_json(app.schema()), indent=2))
