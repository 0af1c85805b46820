"""`gpuwarden demo`: a tour of half a minute, on any machine."""

import click

from agent.demo import DemoFailed, tour


@click.command()
@click.option("--fast", is_flag=True, help="In a few seconds.")
def demo(*, fast: bool) -> None:
    """Show what the agent does, in half a minute and without a GPU.

    A real agent starts on a temporary state directory, beside any that runs already, and a simulated training run
    runs out of GPU memory in front of it. Nothing is left behind.
    """
    try:
        tour(click.echo, fast=fast)
    except DemoFailed as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        raise click.Abort from None
