"""`gpuwarden gpus`: one look at all GPUs, without the daemon; and letting go of their driver for an upgrade."""

import time

import click

from agent import gpus as driver
from agent.cli import overview, reach, show
from agent.cli.ask import NoAnswer, RunningAgent
from agent.cli.common import common_options, load_or_exit
from agent.config.load import Loaded
from agent.core.gpu_record import of_driver, of_gpu

RELEASED_WITHIN = 15.0
"""Seconds in which a running agent lets go of the driver, or says where it stands."""
ASKED_EVERY = 0.2


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one object a GPU.")
@common_options
@click.pass_context
def gpus(ctx: click.Context, *, as_json: bool) -> None:
    """Look at all GPUs once, whether an agent runs or not."""
    if ctx.invoked_subcommand is not None:
        return
    try:
        reading = driver.look_once()
    except driver.NoGpus as reason:
        raise show.Failed(str(reason)) from None
    found = [of_gpu(item) for item in reading.gpus or ()]
    show.listing(found, overview.GPU_HEADERS, overview.gpu, nothing="there are no GPUs", as_json=as_json)
    told = of_driver(reading.driver)
    if not as_json and told is not None:
        show.lines([overview.driver(told)])
    counted = told["counted"] if told is not None else None
    ctx.exit(0 if found and len(found) >= (counted or 0) and all(gpu["state"] == "ok" for gpu in found) else 1)


@gpus.command(short_help="Let the agent release the GPU driver.")
@common_options
@click.pass_context
def pause(ctx: click.Context) -> None:
    """Let the agent release the GPU driver, so that it can be unloaded or upgraded."""
    loaded = load_or_exit(ctx)
    with reach.steering(loaded) as steering:
        steering.pause_gpus(paused=True)
    if not _becomes(loaded, paused=True):
        click.echo("the agent will not touch the GPU driver until `gpuwarden gpus resume`")
        return
    click.echo("the agent has let go of the GPU driver, until `gpuwarden gpus resume`")


@gpus.command()
@common_options
@click.pass_context
def resume(ctx: click.Context) -> None:
    """Let the agent take the GPU driver up again."""
    loaded = load_or_exit(ctx)
    with reach.steering(loaded) as steering:
        steering.pause_gpus(paused=False)
    seen = _becomes(loaded, paused=False)
    click.echo("the agent watches the GPUs again" if seen else "the agent will watch the GPUs again")


def _becomes(loaded: Loaded, *, paused: bool) -> bool:
    """Wait until a running agent has done what was asked; False if none answers, or it takes too long."""
    until = time.monotonic() + RELEASED_WITHIN
    while time.monotonic() < until:
        try:
            found = RunningAgent(loaded.settings.server.address).status()["driver"]
        except NoAnswer:
            return False
        if found is not None and (found["state"] == "paused") is paused:
            return True
        time.sleep(ASKED_EVERY)
    return False
