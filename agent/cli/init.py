"""`gpuwarden init`: writes a first configuration file."""

import os
import socket
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import psutil

from agent.cli.common import Place, common_options
from agent.cli.show import Failed
from agent.config import zones
from agent.config.locate import default_config_file, default_state_dir
from agent.config.starter import Machine, starter


@click.command()
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True),
    help="Where to; by default where the agent will look. - prints it.",
)  # fmt: skip
@common_options
@click.pass_context
def init(ctx: click.Context, *, output: Path | None) -> None:
    """Write a commented starter configuration fitted to this machine. An existing file is left alone."""
    place = ctx.ensure_object(Place)
    target = output or place.config or default_config_file(os.environ)
    text = starter(_machine(place.state_dir or default_state_dir(os.environ)[0]))
    if str(target) == "-":
        click.echo(text, nl=False)
        return
    try:
        _create(target, text)
    except FileExistsError:
        text = f"{target} exists already, and is left as it is: name another with --output"
        raise Failed(text) from None
    except OSError as error:
        raise Failed(f"{target} cannot be written: {error.strerror}") from None
    click.echo(f"{target} is written; edit it, then run `gpuwarden check --config {target}`")


def _create(target: Path, text: str) -> None:
    """Write a new file that only its owner may read, since secrets may come to stand in it."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        stream.write(text)


def _machine(state_dir: Path) -> Machine:
    local = zones.local_zone(os.environ)
    timezone = local.key if isinstance(local, ZoneInfo) and local.key else zones.LOCAL
    return Machine(socket.gethostname(), timezone, state_dir.absolute(), _mounts())


def _mounts() -> list[str]:
    """Find where local disks are mounted; containers mount single files of them as well."""
    places = {partition.mountpoint for partition in psutil.disk_partitions(all=False)}
    return sorted(place for place in places if Path(place).is_dir())
